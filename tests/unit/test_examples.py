"""The examples run as a reader would run them."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_quickstart_remembers_across_two_servers() -> None:
    output = run("quickstart.py")
    assert "The newest 10 of 20" in output
    recalled = output[output.index("6. ") :]
    assert "I do not eat meat" in recalled
    assert "Welcome, Ana" in recalled
    assert "'- vegetarian\\n'" in recalled
    assert "['Lisbon']" in recalled


def test_the_chat_agent_remembers_across_two_runs(tmp_path: Path) -> None:
    memory = str(tmp_path / "memory")
    assert "agent: You have not told me." in run("chat_agent.py", memory, "What is my name?")
    run("chat_agent.py", memory, "My name is Ana")
    output = run("chat_agent.py", memory, "What is my name?", "And how often did I ask?")
    assert "agent: You are Ana." in output
    assert "agent: I remember 4 of your messages." in output
