"""StoredValues: values put together from what a script has read."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from redis_store.integrations.langgraph.deltas import Delta, Value
from redis_store.integrations.langgraph.ropes import Rope, spliced


class _Assembled(NamedTuple):
    rope: Rope
    depth: int
    changed: int


class StoredValues:
    """Values by name, each put together when it is asked for; until then, none is copied.

    Args:
        reply: Fields and their bytes: see ``lua/lib/values.lua``.
        known: The values that the server was told it need not send.
    """

    def __init__(self, reply: Sequence[bytes], known: Iterable[Value] = ()) -> None:
        fields = (field.decode().split("\0", 1) for field in reply[::2])
        self._fields = {
            name: (kind, data) for (kind, name), data in zip(fields, reply[1::2], strict=True)
        }
        self._known = {value.name: value for value in known}
        self._assembled: dict[str, _Assembled] = {}

    def get(self, name: str) -> Value | None:
        """Return a value; ``None`` if it was not read.

        Raises:
            ValueError: It, or what it is based on, cannot be read.
        """
        if name not in self._fields:
            return None
        if name in self._known:
            return self._known[name]
        rope, depth, changed = self._assemble(name)
        return Value(name, b"".join(rope), depth, changed)

    def _assemble(self, name: str) -> _Assembled:
        deltas = list[tuple[str, Delta]]()
        while (found := self._assembled.get(name) or self._whole(name)) is None:
            delta = Delta.decode(self._fields[name][1])
            deltas.append((name, delta))
            name = delta.base
        for each, delta in reversed(deltas):
            found = _Assembled(spliced(found.rope, delta.edits), delta.depth, delta.changed)
            self._assembled[each] = found
        return found

    def _whole(self, name: str) -> _Assembled | None:
        if name not in self._fields:
            raise ValueError(f"the value {name!r}, which others are based on, is missing")
        kind, data = self._fields[name]
        if kind == "d":
            return None
        known = self._known[name] if kind == "k" else Value(name, data)
        return _Assembled([memoryview(known.data)], known.depth, known.changed)
