"""The example runs as a reader would run it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

EXAMPLE = Path(__file__).parents[3] / "examples" / "langgraph_agent.py"


def _run(*arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_the_agent_forgets_nothing_from_process_to_process(tmp_path: Path) -> None:
    memory = str(tmp_path / "memory")
    assert _run(memory, "monday", "Who am I?") == "agent: You are stranger. You said 1 things."
    asked = _run(memory, "monday", "My name is Ana. Order tea!")
    assert asked == "agent asks: Shall I order tea, Ana?"
    assert _run(memory, "monday", "yes") == "agent: Ordered."
    assert _run(memory, "tuesday", "Who am I?") == "agent: You are Ana. You said 1 things."
