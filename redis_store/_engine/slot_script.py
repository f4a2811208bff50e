"""SlotScript: what a transaction does in one slot, as one call of ``commit.lua``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from redis_store._connections.commands import Command, Reply
from redis_store._engine import steps
from redis_store._engine.database import Values
from redis_store._engine.scripts import COMMIT
from redis_store._engine.steps import Step

# Bytes from which a value is compared by digest and changed by splicing.
LONG = 512
# The steps that have a result.
_ANSWERING = frozenset({"drop_messages", "extend", "touch"})

# Takes the result of a step, once the transaction is applied.
Take = Callable[[Any], None]


class SlotScript:
    """Conditions and writes on keys of one slot (in the plain layout: on all keys).

    Attributes:
        conditions: Steps that may refuse the script.
        values_after: What keys hold once the script is applied: where its reply was lost, they
            tell that it was.
    """

    def __init__(self) -> None:
        self.conditions: list[Step] = []
        self.values_after: Values = {}
        self._zsets: set[str] = set()
        self._hashes: set[str] = set()
        self._expected: Values = {}
        self._writes: list[tuple[Step, Take | None]] = []
        self._values: dict[str, bytes | str] = {}
        self._deleted: list[str] = []
        self._commands: list[Command] = []
        self._lifetimes: list[tuple[Step, Take | None]] = []

    @property
    def has_steps(self) -> bool:
        """Whether plain commands would not do."""
        return bool(self.conditions or self._expected or self._writes)

    @property
    def has_writes(self) -> bool:
        """Whether the script does more than check."""
        return bool(self._writes or self._values or self._deleted or self._commands)

    def guard(self, *, zsets: Sequence[str] = (), hashes: Sequence[str] = ()) -> None:
        """Fail before anything is written where a key holds another type."""
        self._zsets.update(zsets)
        self._hashes.update(hashes)

    def expect(self, values: Mapping[str, bytes | None]) -> None:
        """Refuse unless every key holds its value (``None``: nothing)."""
        self._expected.update(values)

    def write(self, step: Step, take: Take | None = None) -> None:
        """Add a step that writes; ``take`` gets its result."""
        self._writes.append((step, take))

    def extend_lifetime(self, step: Step, take: Take) -> None:
        """Add a step that runs behind all others, as those may create keys."""
        self._lifetimes.append((step, take))

    def set(self, key: str, value: bytes | str) -> None:
        """Store a string."""
        self._values[key] = value
        self.values_after[key] = value.encode() if isinstance(value, str) else value

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._deleted.append(key)
        self.values_after[key] = None

    def command(self, command: Command) -> None:
        """Run a command on its first argument, a key."""
        self._commands.append(command)
        name, key = str(command[0]), str(command[1])
        if name.startswith("Z"):
            self._zsets.add(key)
        elif name.startswith("H"):
            self._hashes.add(key)

    def call(self, *, checks_only: bool = False) -> Command:
        """Build the script's call; with ``checks_only`` it writes nothing."""
        chosen = [*self._guards(), *self.conditions, *self._expectations()]
        if not checks_only:
            chosen += [step for step, _ in self._writes]
            chosen += self._plain_steps()
            chosen += [step for step, _ in self._lifetimes]
        keys = [key for step in chosen for key in step.keys]
        args = [arg for step in chosen for arg in (step.name, *step.args)]
        return COMMIT.call(keys, args)

    def plain_commands(self) -> list[Command]:
        """The writes of a script without steps as commands."""
        sets: list[Command] = [("SET", key, value) for key, value in self._values.items()]
        return [*sets, *(("UNLINK", key) for key in self._deleted), *self._commands]

    def take_results(self, results: Sequence[Reply]) -> None:
        """Hand the results of an applied script to those who asked for them."""
        answering = [
            take for step, take in (*self._writes, *self._lifetimes) if step.name in _ANSWERING
        ]
        for take, result in zip(answering, results, strict=True):
            if take is not None:
                take(result)

    def _guards(self) -> Iterator[Step]:
        if self._zsets:
            yield steps.is_zset([*self._zsets])
        if self._hashes:
            yield steps.is_hash([*self._hashes])

    def _expectations(self) -> Iterator[Step]:
        long = {k: v for k, v in self._expected.items() if v is not None and len(v) > LONG}
        if len(long) < len(self._expected):
            yield steps.expect({k: v for k, v in self._expected.items() if k not in long})
        if long:
            yield steps.expect_digest(long)

    def _plain_steps(self) -> Iterator[Step]:
        if self._values:
            yield steps.set_strings(self._values)
        if self._deleted:
            yield steps.delete(self._deleted)
        for command in self._commands:
            yield steps.command(command)
