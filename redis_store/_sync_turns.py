"""SyncMemory: turns that block; see ``turns``.

Tests: ``tests/test_sync_turns.py``.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

from redis_store._portal import Portal
from redis_store._turn import Turn


class Calls(NamedTuple):
    """The asynchronous calls of a ``Memory``: a turn begins, fails in its block, or ends."""

    begin: Callable[[str, str, str | None], Awaitable[Turn]]
    fail: Callable[[Turn, BaseException], Awaitable[None]]
    end: Callable[[Turn], Awaitable[None]]
    embed_messages: Callable[..., Awaitable[int]]


class SyncMemory:
    """A ``Memory`` whose calls block, with the same arguments, results and errors.

    It is what ``Memory.sync`` returns.
    """

    def __init__(self, calls: Calls, tool: dict[str, Any], portal: Portal) -> None:
        self._calls = calls
        self._tool = tool
        self._portal = portal

    @property
    def tool(self) -> dict[str, Any]:
        """See ``Memory.tool``."""
        return deepcopy(self._tool)

    @contextmanager
    def turn(self, *, thread: str, resource: str, query: str | None = None) -> Generator[Turn]:
        """Take a turn of a conversation: see ``Memory.turn``."""
        begun = self._portal.call(partial(self._calls.begin, thread, resource, query))
        try:
            yield begun
        except BaseException as error:
            # Not raised in the portal: what is no Exception would end its loop.
            self._portal.call(partial(self._calls.fail, begun, error))
            raise
        self._portal.call(partial(self._calls.end, begun))

    def embed_messages(self, resource: str, *, anew: bool = False) -> int:
        """See ``Memory.embed_messages``."""
        return self._portal.call(partial(self._calls.embed_messages, resource, anew=anew))
