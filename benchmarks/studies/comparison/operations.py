"""The operations that the comparison measures."""

import msgspec

from benchmarks.contenders.protocol import Request
from benchmarks.studies.comparison import dataset


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table.

    Args:
        name: Its name in reports.
        call: See ``Request``.
        threads: The threads that calls take in turn; empty if they save to a new one.
        size: How many messages or threads a call reads or writes; 0 is all.
        got: How many records a call must read or write.
        agents: How many agents run at once.
        most: The most calls in a batch.
        is_long: Whether some contender takes seconds, so that quick mode leaves it out.
    """

    name: str
    call: str
    threads: tuple[str, ...] = ()
    size: int = 0
    got: int
    agents: int = 1
    most: int = 200
    is_long: bool = False

    @property
    def is_save(self) -> bool:
        """Whether it saves to a new thread."""
        return self.call == "save" and not self.threads

    @property
    def is_turn(self) -> bool:
        """Whether it needs the agents' threads."""
        return self.call == "turn"

    def request(self, tag: str, times: int) -> Request:
        """Build the request; the tag names the thread and the messages that are new."""
        ids = [f"{dataset.MIDDLE}-{i}" for i in range(self.size)] if self.call == "update" else []
        return Request(
            call=self.call,
            threads=list(self.threads) or [f"scratch-{tag}"],
            size=self.size,
            ids=ids,
            resource=dataset.USER,
            tag=tag,
            times=times,
            agents=self.agents,
        )

    def saved(self, times: int) -> int:
        """Return how many messages a request adds."""
        return self.size * times * self.agents if self.call in {"save", "turn"} else 0


_AGENTS = tuple(dataset.AGENTS)

OPERATIONS = (
    Operation(name="get thread", call="get", threads=(dataset.MIDDLE,), got=1),
    Operation(name="100 concurrent gets", call="get_each", threads=tuple(dataset.OWNED), got=100),
    Operation(name="last 10 of 1,000", call="last", threads=(dataset.MIDDLE,), size=10, got=10),
    Operation(name="last 10 of 10,000", call="last", threads=(dataset.LONG,), size=10, got=10),
    Operation(name="all of 1,000", call="last", threads=(dataset.MIDDLE,), got=1_000, most=20),
    Operation(
        name="all of 10,000", call="last", threads=(dataset.LONG,), got=10_000, most=5, is_long=True
    ),
    Operation(name="save 1", call="save", size=1, got=1),
    Operation(name="save 2", call="save", size=2, got=2),
    Operation(
        name="append 2 to 1,000", call="save", threads=(dataset.MIDDLE,), size=2, got=2, most=50
    ),
    Operation(name="save 1,000", call="save", size=1_000, got=1_000, most=10),
    Operation(name="save 10,000", call="save", size=10_000, got=10_000, most=2, is_long=True),
    Operation(
        name="re-save 1,000",
        call="save_again",
        threads=(dataset.MIDDLE,),
        size=1_000,
        got=1_000,
        most=10,
    ),
    Operation(
        name="re-save 10,000",
        call="save_again",
        threads=(dataset.LONG,),
        size=10_000,
        got=10_000,
        most=2,
        is_long=True,
    ),
    Operation(name="update 10", call="update", threads=(dataset.MIDDLE,), size=10, got=10),
    Operation(name="threads of a user", call="threads_of", threads=("",), got=100),
    Operation(name="turn, 1 agent", call="turn", threads=_AGENTS, size=2, got=2),
    Operation(
        name="turn, 100 agents", call="turn", threads=_AGENTS, size=2, got=2, agents=100, most=20
    ),
)
