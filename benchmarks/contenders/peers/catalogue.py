"""The peers: packages, exact versions, and the operations that each can do; and the frameworks.

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
# What this library needs beside redis, where the study of frameworks runs it.
_LIBRARY: Final = ("anyio==4.16.0",)
_ONE_AGENT: Final = ("last 10 of 1,000", "all of 1,000", "append 2 to 1,000", "turn, 1 agent")
_ALL: Final = (*_ONE_AGENT, "turn, 100 agents")


@dataclass(frozen=True)
class Environment:
    """Packages that are installed together.

    Attributes:
        name: That of its directory; for a peer also that of its package on PyPI or npm.
        requirements: What is installed, in exact versions; the package itself first.
    """

    name: str
    requirements: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        return ROOT / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    @property
    def is_installed(self) -> bool:
        """Whether it holds these requirements."""
        stamp = self.directory / _STAMP
        return stamp.exists() and stamp.read_text() == self._stamp

    def note_installed(self) -> None:
        """Note that it is complete."""
        (self.directory / _STAMP).write_text(self._stamp)

    @property
    def _stamp(self) -> str:
        return "\n".join(self.requirements)


@dataclass(frozen=True)
class Peer(Environment):
    """A published package that the comparison measures.

    Attributes:
        operations: Names of the operations that it can do.
        note: A limitation that the report states.
    """

    operations: tuple[str, ...] = ()
    note: str = ""


MASTRA: Final = Environment("node", ("@mastra/redis@1.4.6", "@mastra/core@1.71.0"))
PEERS: Final = (
    Peer(
        "openai-agents",
        ("openai-agents==0.24.0", *_REDIS, *_SHARED, *_LIBRARY),
        (*_ALL, "save 1,000"),
    ),
    Peer(
        "google-adk",
        ("google-adk==2.13.0", *_REDIS, *_SHARED, *_LIBRARY),
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
        (
            "agent-framework-redis==1.0.0b261022",
            "redis==7.1.1",
            "hiredis==3.5.0",
            *_SHARED,
            *_LIBRARY,
        ),
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
# What the study of frameworks needs beside the peers.
FRAMEWORKS: Final = (
    Environment(
        "langgraph",
        (
            "langgraph==1.2.24",
            "langgraph-checkpoint-aws[valkey]==1.2.6",
            "langgraph-checkpoint-plainredis==0.1.0",
            "langgraph-checkpoint-sqlite==3.1.2",
            "valkey==6.2.0",
            "libvalkey==4.2.1",
            *_REDIS,
            *_SHARED,
            *_LIBRARY,
        ),
    ),
    Environment("pydantic-ai", ("pydantic-ai-slim==2.68.0", *_REDIS, *_SHARED, *_LIBRARY)),
    Environment("claude-agent-sdk", ("claude-agent-sdk==0.2.189", *_REDIS, *_SHARED, *_LIBRARY)),
    Environment("strands-agents", ("strands-agents==1.62.0", *_REDIS, *_SHARED, *_LIBRARY)),
    Environment(
        "fastmcp",
        (
            "fastmcp==4.2.3",
            "mcp==2.3.0",
            "py-key-value-aio[redis]==0.5.0",
            *_REDIS,
            *_SHARED,
            *_LIBRARY,
        ),
    ),
    Environment("a2a-sdk", ("a2a-sdk[sqlite]==1.3.0", *_REDIS, *_SHARED, *_LIBRARY)),
)
