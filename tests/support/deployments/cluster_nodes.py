"""A cluster's nodes as one of them sees them, and slots on their way from one to another."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from tests.support.deployments.nodes import LOCALHOST, Node

_BAD_FLAGS: Final = frozenset({"fail", "fail?", "handshake", "noaddr"})


@dataclass(frozen=True)
class Member:
    """A line of ``CLUSTER NODES``."""

    id: str
    port: int
    flags: frozenset[str]
    primary_id: str
    slots: tuple[range, ...]

    @classmethod
    def parse(cls, line: str) -> Self:
        id_, address, flags, primary_id, _, _, _, _, *slots = line.split()
        port = re.match(r".*:(\d+)@", address)
        assert port is not None, line
        seen = frozenset(flags.split(",")) - {"myself"}
        # In brackets: a slot on its way.
        served = tuple(_range(each) for each in slots if not each.startswith("["))
        return cls(id_, int(port[1]), seen, primary_id, served)

    def serves(self, slot: int) -> bool:
        return any(slot in each for each in self.slots)


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


async def view(node: Node) -> set[Member]:
    """Ask a node whom it knows, itself included; nobody while it loads its data."""
    return set(map(Member.parse, (await node.text("CLUSTER", "NODES")).splitlines()))


def all_well(members: Iterable[Member]) -> bool:
    """Whether none is thought to be down or not met yet."""
    return not any(member.flags & _BAD_FLAGS for member in members)


class SlotMigration:
    """A slot on its way from one primary to another: begin, move its keys in parts, finish."""

    def __init__(
        self,
        slot: int,
        source: Node,
        target: Node,
        primaries: Callable[[], Awaitable[list[Node]]],
        password: str | None,
    ) -> None:
        self._slot, self._source, self._target = slot, source, target
        self._primaries = primaries
        self._login = ("AUTH", password) if password else ()

    async def begin(self) -> None:
        """From now on the source answers ASK for a key that it does not hold."""
        for node, state, other in (
            (self._target, "IMPORTING", self._source),
            (self._source, "MIGRATING", self._target),
        ):
            id_ = await other("CLUSTER", "MYID")
            await node("CLUSTER", "SETSLOT", self._slot, state, id_)

    async def move_keys(self, limit: int = 100) -> int:
        """Move at most so many keys; return how many."""
        keys: list[bytes] = await self._source("CLUSTER", "GETKEYSINSLOT", self._slot, limit)
        if keys:
            where = (LOCALHOST, self._target.port, "", 0, 5000)
            await self._source("MIGRATE", *where, *self._login, "KEYS", *keys)
        return len(keys)

    async def finish(self) -> None:
        """Hand over the slot, which must be empty, and tell all primaries."""
        id_ = await self._target("CLUSTER", "MYID")
        # The target first: before it owns the slot, it sends clients back to the source.
        for node in dict.fromkeys([self._target, self._source, *await self._primaries()]):
            await node("CLUSTER", "SETSLOT", self._slot, "NODE", id_)
