"""Short ways to build tasks, and callers of an A2A server."""

from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.types.a2a_pb2 import Task, TaskStatus

START_NS = 1_780_000_000_000_000_000
TICK_NS = 10_000


class Named(User):
    """A user who has logged in."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def user_name(self) -> str:
        return self._name


def caller(name: str = "ana") -> ServerCallContext:
    return ServerCallContext(user=Named(name))


def task(id: str, ticks: int | None = 0, state: int = 1, context_id: str = "c") -> Task:
    """Build a task whose status is so many ticks of 10 µs old."""
    built = Task(id=id, context_id=context_id, status=TaskStatus(state=state))  # type: ignore[arg-type]
    if ticks is not None:
        built.status.timestamp.FromNanoseconds(START_NS + ticks * TICK_NS)
    return built
