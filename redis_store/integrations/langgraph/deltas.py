"""Deltas: a channel's value as the difference to another value of the channel.

Compared are the serialized bytes, so any graph profits, unchanged. A list that grows is a splice at
its end; one that slides, losing its oldest items, is two.
"""

from typing import NamedTuple

from redis_store._engine.splices import Splice, between
from redis_store.integrations.langgraph.frames import frame, unframe

# Deltas of smaller values would save little, and cost their base's name.
MIN_BYTES = 512
# Values based on each other, before one is stored whole again: reading one reads them all.
MAX_DEPTH = 64
# The server puts larger values together no more, as it serves nobody meanwhile; the client does.
MAX_FOLD_BYTES = 2**20

# What the rest of a changed list is found by, where its start was dropped.
_ANCHOR = 64


class Value(NamedTuple):
    """A channel's value as it is stored under a name.

    Attributes:
        name: Channel and version, which no other value ever has.
        data: Its serialized bytes.
        depth: How many deltas it was put together from.
        changed: The bytes in these deltas.
    """

    name: str
    data: bytes
    depth: int = 0
    changed: int = 0


class Delta(NamedTuple):
    """The difference of a value to its base.

    Attributes:
        base: The name of the base.
        depth: As for the value.
        changed: As for the value.
        edits: What turns the base's bytes into the value's.
    """

    base: str
    depth: int
    changed: int
    edits: list[Splice]

    def encode(self) -> bytes:
        """Return its frame: base, depth, changed, and per edit keep, drop and length; the texts."""
        header: list[str | int] = [self.base, self.depth, self.changed]
        for edit in self.edits:
            header += [edit.keep, edit.drop, len(edit.text)]
        return frame(header, *(edit.text for edit in self.edits))

    @classmethod
    def decode(cls, data: bytes) -> "Delta":
        """Read a frame.

        Raises:
            ValueError: It holds no delta.
        """
        (base, depth, changed, *numbers), texts = unframe(data)
        edits, at = list[Splice](), 0
        for keep, drop, size in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
            edits.append(Splice(keep, drop, texts[at : at + size]))
            at += size
        return cls(base, depth, changed, edits)


def delta_to(base: Value, data: bytes) -> Delta | None:
    """Return the difference of new bytes to a base; ``None`` if it is not worth storing."""
    if len(data) < MIN_BYTES:
        return None
    edits = _edits(base.data, data)
    size = sum(len(edit.text) for edit in edits)
    if 2 * size > len(data):
        return None
    return Delta(base.name, base.depth + 1, base.changed + size, edits)


def is_due(delta: Delta, size: int) -> bool:
    """Whether a value of that size is to be stored whole again: reading it costs too much else."""
    return delta.depth >= MAX_DEPTH or 2 * delta.changed > size


def _edits(before: bytes, after: bytes) -> list[Splice]:
    """Return the splices that turn one value into another."""
    counted, new_counted = _counted(before), _counted(after)
    head = Splice(0, counted, after[:new_counted])
    body = between(before, (counted, len(before)), after, (new_counted, len(after)))
    at = before.find(body.text[:_ANCHOR], counted + body.keep) if len(body.text) > _ANCHOR else -1
    if at <= counted + body.keep:
        return [head, body]
    # What was dropped before the anchor; then the rest, compared from there on.
    dropped = Splice(body.keep, at - counted - body.keep, b"")
    tail = between(before, (at, len(before)), after, (new_counted + body.keep, len(after)))
    return [head, dropped, tail] if len(tail.text) < len(body.text) else [head, body]


def _counted(data: bytes) -> int:
    """Return the bytes before the items of a list or dict in msgpack, which hold their number.

    They differ wherever an item was added, so they are compared apart.
    """
    start = data.find(b"\0") + 1
    if data[:start] != b"msgpack\0" or start == len(data):
        return 0
    first = data[start]
    if 0x80 <= first <= 0x9F:  # noqa: PLR2004 - fixmap and fixarray
        return start + 1
    # Other bytes of this type may end before.
    return min(start + {0xDC: 3, 0xDE: 3, 0xDD: 5, 0xDF: 5}.get(first, 0), len(data))
