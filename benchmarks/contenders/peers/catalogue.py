"""The peers: packages, exact versions, and the operations that each can do.

Imports only the standard library: it is read before anything is installed, and by every peer.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# `make bench-peers` installs the peers here; git ignores it.
ROOT: Final = Path(__file__).parents[2] / ".peers"
_STAMP: Final = "installed.txt"
# In every environment: for the worker, and below for the fastest form of the peer's client.
_SHARED: Final = ("msgspec==0.22.0", "uvloop==0.23.0")
_REDIS: Final = ("redis==8.1.0", "hiredis==3.5.0")
_ONE_AGENT: Final = ("last 10 of 1,000", "all of 1,000", "append 2 to 1,000", "turn, 1 agent")
_ALL: Final = (*_ONE_AGENT, "turn, 100 agents")


@dataclass(frozen=True)
class Peer:
    """A published package and its environment.

    Attributes:
        name: Its name on PyPI or npm, and that of its environment.
        requirements: What is installed, in exact versions; the package itself first.
        operations: Names of the operations that it can do; empty for @mastra/redis: all.
        note: A limitation that the report states.
    """

    name: str
    requirements: tuple[str, ...]
    operations: tuple[str, ...] = ()
    note: str = ""

    @property
    def directory(self) -> Path:
        """Its environment."""
        return ROOT / self.name

    @property
    def python(self) -> Path:
        """Its environment's interpreter."""
        return self.directory / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    @property
    def is_installed(self) -> bool:
        """Whether the environment holds these requirements."""
        stamp = self.directory / _STAMP
        return stamp.exists() and stamp.read_text() == self._stamp

    def note_installed(self) -> None:
        """Note that the environment is complete."""
        (self.directory / _STAMP).write_text(self._stamp)

    @property
    def _stamp(self) -> str:
        return "\n".join(self.requirements)


MASTRA: Final = Peer("node", ("@mastra/redis@1.4.6", "@mastra/core@1.71.0"))
PEERS: Final = (
    Peer(
        "openai-agents",
        ("openai-agents==0.24.0", *_REDIS, *_SHARED),
        (*_ALL, "save 1,000"),
    ),
    Peer(
        "google-adk",
        ("google-adk==2.13.0", *_REDIS, *_SHARED),
        ("get thread", *_ONE_AGENT),
        "fails with 100 agents: too many connections; with more of them, timeouts, as it blocks "
        "the event loop for seconds",
    ),
    Peer(
        "agentscope",
        ("agentscope[service]==2.0.10", *_REDIS, *_SHARED),
        ("get thread", *_ALL),
    ),
    Peer(
        # It requires an older redis.
        "agent-framework-redis",
        ("agent-framework-redis==1.0.0b261022", "redis==7.1.1", "hiredis==3.5.0", *_SHARED),
        (*_ALL, "save 1,000"),
    ),
    Peer(
        "agno",
        ("agno==3.1.10", *_REDIS, *_SHARED),
        ("get thread", *_ALL),
    ),
    Peer(
        "langgraph-checkpoint-aws",
        ("langgraph-checkpoint-aws[valkey]==1.2.6", "valkey==6.2.0", "libvalkey==4.2.1", *_SHARED),
        (*_ALL, "save 1,000"),
    ),
)
