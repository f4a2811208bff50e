"""Where a task is in listings: by the time of its status, and by its state.

A score holds both: ticks of 10 µs, then four bits of state. So the state, which changes at nearly
every save, needs no index of its own, and a save never moves a task between indexes.

Tests: ``tests/integrations/a2a/``.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from redis_store._engine.hash_indexes import Id, Listed

NAME = "a2a"

_NS_PER_TICK = 10_000
_STATES = 16
# With four more bits, a float holds any int below exactly. It is in the year 2148.
_LAST_TICK = 2**49 - 1


class Place(NamedTuple):
    """A place in a listing; lists are in descending order of places."""

    score: float
    id: Id

    @classmethod
    def of(cls, listed: Listed) -> "Place":
        """Return the place of an entry."""
        return cls(listed.score, listed.id)

    def is_before(self, listed: Listed) -> bool:
        """Whether an entry comes after this place in a listing."""
        own = Listed(self.id, self.score, "")
        return (listed.score, listed.member.encode()) < (self.score, own.member.encode())

    def to_token(self) -> str:
        """Return a page token: an opaque text that is safe in URLs."""
        place = json.dumps([self.score, *self.id], separators=(",", ":"))
        return urlsafe_b64encode(place.encode()).decode()

    @classmethod
    def from_token(cls, token: str) -> "Place":
        """Return the place that a page token names.

        Raises:
            ValueError: It is no page token.
        """
        found: object = json.loads(urlsafe_b64decode(token.encode()))
        match found:
            case [float(score), str(owner), str(task)]:
                return cls(score, (owner, task))
            case _:
                raise ValueError("no place")


def score(status_ns: int | None, state: int) -> float:
    """Return a task's score in its indexes; one without a time comes after all others.

    Args:
        status_ns: The time of its status in epoch nanoseconds, if it has one.
        state: Its state, a number of the protocol.
    """
    tick = -1 if status_ns is None else _tick(status_ns)
    return float(tick * _STATES + state_bits(state))


def lowest_score(status_ns: int) -> float:
    """Return the lowest score that a task of a time may have."""
    return float(_tick(status_ns) * _STATES)


def state_bits(state: int) -> int:
    """Return what a score has of a state. States that this version does not know share one."""
    return state if 0 <= state < _STATES - 1 else _STATES - 1


def state_of(listed: Listed) -> int:
    """Return what the score of an entry has of a state."""
    return int(listed.score) % _STATES


def _tick(ns: int) -> int:
    return min(max(ns // _NS_PER_TICK, 0), _LAST_TICK)
