"""Splices: the difference between two byte strings."""

from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

# Large values are compared and copied in blocks, between which other threads may run.
_BLOCK = 2**18


class Splice(NamedTuple):
    """One edit: keep ``keep`` bytes of the old value, drop ``drop``, insert ``text``."""

    keep: int
    drop: int
    text: bytes


def diff(before: bytes, after: bytes) -> list[Splice]:
    """Return the splices that turn one value into the other.

    A JSON record changes in its middle and, with ``updatedAt``, at its end. So the text from the
    last comma on is compared separately, and the rest as one stretch. Comparing costs a few passes
    at the speed of memcmp.
    """
    cut_before, cut_after = before.rfind(b","), after.rfind(b",")
    if cut_before < 0 or cut_after < 0:
        return [between(before, (0, len(before)), after, (0, len(after)))]
    body = between(before, (0, cut_before), after, (0, cut_after))
    tail = between(before, (cut_before, len(before)), after, (cut_after, len(after)))
    return [body, Splice(cut_before - body.keep - body.drop + tail.keep, tail.drop, tail.text)]


def between(
    before: bytes, of_before: tuple[int, int], after: bytes, of_after: tuple[int, int]
) -> Splice:
    """Return the splice that turns a stretch of one value into a stretch of the other."""
    (low, high), (new_low, new_high) = of_before, of_after
    start = _common(before, low, after, new_low, min(high - low, new_high - new_low))
    # The common suffix is that of the rests: else prefix and suffix could overlap, as in "aa", "a".
    rest = min(high - low, new_high - new_low) - start
    end = _common_end(before, high, after, new_high, rest)
    return Splice(start, high - low - start - end, after[new_low + start : new_high - end])


def apply(before: bytes, edits: Sequence[Splice]) -> bytes:
    """Return the value that the splices turn ``before`` into."""
    size = len(before) + sum(len(edit.text) - edit.drop for edit in edits)
    # Written in place, and taken without another copy.
    after, view, at = BytesIO(bytes(size)), memoryview(before), 0
    for keep, drop, text in [*edits, Splice(len(before), 0, b"")]:
        end = min(at + keep, len(before))
        for first in range(at, end, _BLOCK):
            after.write(view[first : min(first + _BLOCK, end)])
        after.write(text)
        at = end + drop
    return after.getvalue()


def _common(left: bytes, left_at: int, right: bytes, right_at: int, size: int) -> int:
    """Return the length of the common prefix of two stretches."""
    for first in range(0, size, _BLOCK):
        last = min(first + _BLOCK, size)
        one = left[left_at + first : left_at + last]
        other = right[right_at + first : right_at + last]
        if one != other:
            return first + _common_of_block(one, other)
    return size


def _common_end(left: bytes, left_end: int, right: bytes, right_end: int, size: int) -> int:
    """Return the length of the common suffix of two stretches, which end there."""
    for first in range(0, size, _BLOCK):
        last = min(first + _BLOCK, size)
        one = left[left_end - last : left_end - first]
        other = right[right_end - last : right_end - first]
        if one != other:
            return first + _common_of_block(one[::-1], other[::-1])
    return size


def _common_of_block(left: bytes, right: bytes) -> int:
    """Return the length of the common prefix, by halving."""
    low, high = 0, len(left)
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
