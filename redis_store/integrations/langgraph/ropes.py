"""Ropes: byte strings in pieces, so that many splices of a large value copy none of it."""

from collections.abc import Iterable, Sequence

from redis_store._engine.splices import Splice

Rope = list[memoryview]


def spliced(rope: Rope, edits: Iterable[Splice]) -> Rope:
    """Return the rope that the splices turn this one into: O(pieces), whatever their sizes.

    Raises:
        ValueError: The edits reach beyond the end, so they belong to another value.
    """
    reader, new = _Reader(rope), Rope()
    for keep, drop, text in edits:
        new += reader.take(keep)
        reader.take(drop)
        if text:
            new.append(memoryview(text))
    return new + reader.rest()


class _Reader:
    """Takes pieces of a rope, from its start on."""

    def __init__(self, rope: Sequence[memoryview]) -> None:
        self._rest = list(reversed(rope))

    def take(self, size: int) -> Rope:
        """Take that many bytes."""
        taken = Rope()
        while size:
            if not self._rest:
                raise ValueError("the edits reach beyond the end of the value")
            piece = self._rest.pop()
            if len(piece) > size:
                self._rest.append(piece[size:])
                piece = piece[:size]
            taken.append(piece)
            size -= len(piece)
        return taken

    def rest(self) -> Rope:
        """Take all that is left."""
        return self._rest[::-1]
