"""Pending commands: a call's commands until each has its reply, over any number of attempts.

Tests: ``tests/faults/test_hung_nodes.py``, ``tests/faults/test_server_errors.py``.
"""

from collections.abc import Sequence
from typing import Any

from redis_store._connections.commands import Command, Replies, Reply
from redis_store._connections.errors import translate
from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

# Seconds between attempts; they double.
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
# After attempts whose replies were lost: what the commands do may be the reason.
_FIRST_LOSS_PAUSE = 0.05
_LONGEST_LOSS_PAUSE = 2.0

# Error replies that pass: the command was not applied, and may be later.
_TEMPORARY = frozenset({"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"})
# Connection failures that no retry cures.
_PERMANENT = frozenset({"NOAUTH", "WRONGPASS", "NOPERM", "EMBEDDED_START_FAILED"})


class PendingCommands:
    """Commands awaiting their replies, over one attempt or several.

    Attributes:
        replies: The replies so far.
        positions: Which commands must be sent in the next attempt.
        error: Why they must; the latest reason.
        ask_targets: The node of a cluster that ASK named for a command's next attempt.
        attempts: How many there were.
        losses: How many of them ended without replies to what had been sent.
    """

    def __init__(self, commands: Sequence[Command], *, repeatable: bool) -> None:
        self.commands = commands
        self.replies = Replies([None] * len(commands))
        self.positions: list[int] = list(range(len(commands)))
        self.error: BackendError | None = None
        self.ask_targets: dict[int, Any] = {}
        self.attempts = 0
        self.losses = 0
        self._repeatable = repeatable

    def take(self) -> list[int]:
        """Return the positions to send now; none is left unless it is requeued."""
        positions, self.positions = self.positions, []
        self.attempts += 1
        return positions

    def requeue(self, positions: Sequence[int], error: BackendError) -> None:
        """Send commands again in the next attempt: they were not applied, or are repeatable."""
        self.error = error
        self.positions += positions

    def lose(self, positions: Sequence[int], error: BackendError) -> None:
        """Requeue commands that got no reply, or raise the error if they must not be sent again."""
        is_lost = isinstance(error, (BackendUnavailableError, BackendTimeoutError))
        in_doubt = error.details.get("in_doubt", False)
        if (
            not is_lost
            or (in_doubt and not self._repeatable)
            or error.details["reason"] in _PERMANENT
        ):
            raise error
        self.losses += in_doubt
        self.requeue(positions, error)

    def pause(self) -> float:
        """Return the seconds until the next attempt: none before the second, as for a redirect.

        Neither is there one after the first lost reply, which a failover may have cost.
        """
        return max(
            _doubled(_FIRST_PAUSE, _LONGEST_PAUSE, self.attempts),
            _doubled(_FIRST_LOSS_PAUSE, _LONGEST_LOSS_PAUSE, self.losses),
        )

    def exhausted(self) -> BackendError:
        """Return the latest error, which says how many attempts there were."""
        assert self.error is not None  # noqa: S101 - commands are pending for a reason
        self.error.details["attempts"] = self.attempts
        self.error.args = (f"{self.error}; {self.attempts} attempts were made",)
        return self.error

    def resolve(self, position: int, reply: Reply) -> None:
        """Store a command's reply, or requeue the command after a temporary error."""
        if not isinstance(reply, Exception):
            self.replies[position] = reply
            return
        error = translate(reply)
        error.__cause__ = reply
        if error.details["reason"] in _TEMPORARY:
            self.requeue([position], error)
        else:
            self.replies[position] = error
            self.replies.has_errors = True


def _doubled(first: float, longest: float, count: int) -> float:
    """Return 0 for the first failure, ``first`` for the second, and then twice the last."""
    # Bounded before it is a float: a power of two can be larger than any.
    return min(first * 2 ** min(count - 2, 16), longest) if count > 1 else 0.0
