"""What a framework's module gives for a store: its data, and the calls that are measured."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.contenders.serving import Call

Action = Callable[[], Awaitable[object]]
LENGTH: Final = 1_000
_TEXT: Final = 480


@dataclass(frozen=True)
class Steps:
    """The steps on an open store.

    Attributes:
        fill: Stores the data. Not timed.
        calls: Builds a call by the step's name, which returns how much it read or wrote. Building
            is not timed.
        prepare: What happens before the calls of a step, by its name. Not timed.
    """

    fill: Action
    calls: Mapping[str, Callable[[], Call]]
    prepare: Mapping[str, Action] = field(default_factory=dict[str, Action])


# Opens a store on the server at a URL, or in an empty directory.
Open = Callable[[str, Path], AbstractAsyncContextManager[Steps]]


def giving(got: int, action: Action) -> Call:
    """Return a call whose result is known beforehand."""

    async def run() -> int:
        await action()
        return got

    return run


def text(number: int) -> str:
    """Return a text of 480 characters that differs from others, as real ones do."""
    return (f"{number} is one of many. " * _TEXT)[:_TEXT]
