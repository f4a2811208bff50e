"""SlotScript: the conditions and writes of one slot, and the call that applies them.

The steps of ``steps.py``, in the order that ``lua/commit.lua`` needs.

Tests: ``tests/engine/test_steps.py``, ``tests/contract/test_costs.py``.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redis_store._connections.commands import Command, Reply, encoded
from redis_store._engine import steps
from redis_store._engine.database import Values
from redis_store._engine.fingerprints import Fingerprint
from redis_store._engine.scripts import COMMIT
from redis_store._engine.steps import Step

# Longer values, in bytes, are compared by digest and changed by splicing.
LONG = 512
# The steps that return a value in Lua: exactly these, as results are assigned by position.
_ANSWERING = frozenset({"create_thread", "drop_all_messages", "drop_messages", "extend", "touch"})
# Takes the result of a step, once the transaction is applied.
Take = Callable[[Any], None]


class SlotScript:
    """Conditions and writes on the keys of one slot; in the plain layout, on all keys.

    Attributes:
        conditions: Steps that may refuse the script.
        values_after: Values once the script is applied; they prove it if its reply is lost.
    """

    def __init__(self) -> None:
        self.conditions: list[Step] = []
        self.values_after: Values = {}
        self._zsets: set[str] = set()
        self._hashes: set[str] = set()
        # One value per key: a second would replace the first, and hide a change between two reads.
        self._expected: Values = {}
        self._writes: list[tuple[Step, Take | None]] = []
        self._values: dict[str, bytes | str] = {}
        self._deleted: list[str] = []
        self._commands: list[Command] = []
        self._lifetimes: list[tuple[Step, Take | None]] = []

    @property
    def has_steps(self) -> bool:
        """Whether it needs a script, not just commands."""
        return bool(self.conditions or self._expected or self._writes)

    @property
    def has_writes(self) -> bool:
        """Whether the script has more than conditions."""
        return bool(self._writes or self._values or self._deleted or self._commands)

    def guard(self, *, zsets: Sequence[str] = (), hashes: Sequence[str] = ()) -> None:
        """Fail before anything is written if a key holds another type."""
        self._zsets.update(zsets)
        self._hashes.update(hashes)

    def expect(self, key: str, value: bytes | None) -> None:
        """Refuse unless the string has its value; ``None`` is a missing one.

        A fingerprint stands for a large value.
        """
        self._expected[key] = value

    def expected(self, key: str) -> bytes | None:
        """Return the value that the string must have, if any."""
        return self._expected.get(key)

    def write(self, step: Step, take: Take | None = None) -> None:
        """Add a step that writes; ``take`` gets its result."""
        self._writes.append((step, take))

    def extend_lifetime(self, step: Step, take: Take) -> None:
        """Add a step that runs after all others, because those may create keys."""
        self._lifetimes.append((step, take))

    def set(self, key: str, value: bytes | str) -> None:
        """Store a string."""
        self._values[key] = value
        self.values_after[key] = encoded(value) if isinstance(value, str) else value

    def delete(self, key: str) -> None:
        """Delete a key."""
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
            # commit.lua needs conditions first, and sets before deletes: see there.
            chosen += [step for step, _ in self._writes]
            chosen += self._plain_steps()
            chosen += [step for step, _ in self._lifetimes]
        keys = [key for step in chosen for key in step.keys]
        args = [arg for step in chosen for arg in (step.name, *step.args)]
        return COMMIT.call(keys, args)

    def plain_commands(self) -> list[Command]:
        """Return the writes of a script without steps as commands."""
        sets: list[Command] = [("SET", key, value) for key, value in self._values.items()]
        return [*sets, *(("UNLINK", key) for key in self._deleted), *self._commands]

    def take_results(self, results: Sequence[Reply]) -> None:
        """Pass the results of an applied script to the callbacks of its steps."""
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
        short: Values = {}
        long: dict[str, bytes] = {}
        large: dict[str, Fingerprint] = {}
        for key, value in self._expected.items():
            if isinstance(value, Fingerprint):
                large[key] = value
            elif value is not None and len(value) > LONG:
                long[key] = value
            else:
                short[key] = value
        if short:
            yield steps.expect(short)
        if long:
            yield steps.expect_digest(long)
        if large:
            yield steps.expect_fingerprint(large)

    def _plain_steps(self) -> Iterator[Step]:
        if self._values:
            yield steps.set_strings(self._values)
        if self._deleted:
            yield steps.delete(self._deleted)
        for each in self._commands:
            yield steps.command(each)
