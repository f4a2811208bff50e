"""What a transaction consists of: steps by slot, claims, and what may go before or after them."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from redis_store._connections.commands import Command, Reply
from redis_store._engine import steps
from redis_store._engine.id_claims import Claims
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import COMMIT
from redis_store._engine.steps import Step

Found = dict[str, bytes | None]


class Part:
    """What a transaction does in one slot (in the plain layout: all of it)."""

    def __init__(self) -> None:
        self.sorted: set[str] = set()
        self.counters: set[str] = set()
        self.checks: list[Step] = []
        self.writes: list[Step] = []
        self.lifetimes: list[Step] = []
        self.results: list[Callable[[Any], None]] = []
        self.values: dict[str, bytes | str] = {}
        self.gone: list[str] = []
        self.calls: list[Command] = []

    @property
    def needs_script(self) -> bool:
        """Whether plain commands will not do."""
        return bool(self.checks or self.writes)

    @property
    def writes_anything(self) -> bool:
        """Whether it does more than check."""
        return bool(self.writes or self.values or self.gone or self.calls)

    def commands(self) -> list[Command]:
        """The part as plain commands, where no script is needed."""
        sets: list[Command] = [("SET", key, value) for key, value in self.values.items()]
        return [*sets, *(("UNLINK", key) for key in self.gone), *self.calls]

    def script(self, *, checks_only: bool = False) -> Command:
        """The part as one script call."""
        types = [steps.is_zset([*self.sorted]), steps.is_hash([*self.counters])]
        run = [*types, *self.checks]
        if not checks_only:
            run += [*self.writes, *self._plain_steps(), *self.lifetimes]
        keys = [key for step in run for key in step.keys]
        args = [arg for step in run for arg in (step.name, *step.args)]
        return COMMIT.call(keys, args)

    def _plain_steps(self) -> Iterator[Step]:
        if self.values:
            yield steps.set_strings(self.values)
        if self.gone:
            yield steps.delete(self.gone)
        for command in self.calls:
            yield steps.command(command)


class Plan:
    """All that one transaction does.

    Attributes:
        parts: What is done in each slot.
        claims: The message ids that it gives to threads, and those that it takes from them.
        hints: Commands that do no harm where it is refused after all; and their replies.
        late: Commands that may only follow the threads.
        settlements: What takes more than one step, after all is written.
        outcomes: What keys hold once it is applied.
        dropped: How many messages it removed; ``dropping``, how many it was to remove.
    """

    def __init__(self, keys: Keys) -> None:
        self.parts: dict[int, Part] = {}
        self.claims = Claims(keys)
        self.hints: list[Command] = []
        self.hinted: list[Reply] = []
        self.late: list[Command] = []
        self.settlements: list[Callable[[], Awaitable[None]]] = []
        self.outcomes: Found = {}
        self.dropping = 0
        self.dropped = 0

    @property
    def follows(self) -> bool:
        """Whether anything is left to do once the scripts have run."""
        loose = any(not part.needs_script for part in self.parts.values())
        return bool(loose or self.late or self.settlements or self.claims.follows)
