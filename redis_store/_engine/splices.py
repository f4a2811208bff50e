"""Splices: the difference between two byte strings."""

from typing import NamedTuple


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
        return [_one(before, after)]
    body = _one(before[:cut_before], after[:cut_after])
    tail = _one(before[cut_before:], after[cut_after:])
    return [body, Splice(cut_before - body.keep - body.drop + tail.keep, tail.drop, tail.text)]


def _one(before: bytes, after: bytes) -> Splice:
    start = _common(before, after)
    # The common suffix is that of the rests: else prefix and suffix could overlap, as in "aa", "a".
    rest_before, rest_after = before[start:], after[start:]
    end = _common(rest_before[::-1], rest_after[::-1])
    drop = len(rest_before) - end
    return Splice(start, drop, rest_after[: len(rest_after) - end])


def _common(left: bytes, right: bytes) -> int:
    """Return the length of the common prefix, by halving."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
