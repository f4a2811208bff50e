"""What every listing must show, computed from the stored records and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, cast

from redis_store import Message, Page, RedisStore, Score, Thread, WorkflowRun
from redis_store._engine import codecs
from redis_store._engine.keys import Keys
from redis_store._engine.timestamps import epoch_us
from tests.support.wire.raw import Raw


class Listing(NamedTuple):
    """A call that reads, as ``domain.method``, and what it must show."""

    call: str
    args: Sequence[Any]
    options: dict[str, Any]
    expected: object

    async def ask(self, store: RedisStore) -> object:
        """Make the call."""
        found: object = await attrgetter(self.call)(store)(*self.args, **self.options)
        return cast("Page[object]", found).items if isinstance(found, Page) else found


class _Placed(NamedTuple):
    """A message where it stands."""

    created_us: int
    score: int
    thread_id: str
    id: str
    message: Message


class Truth(NamedTuple):
    """Every record under a prefix, in the order of ``created_at``, ties by id or name."""

    threads: list[Thread]
    messages: list[_Placed]
    runs: list[WorkflowRun]
    scores: list[Score]

    def listings(self) -> Iterator[Listing]:
        """Build every listing of every kind of record, with all that it must show."""
        yield from self._of_threads()
        yield from self._of_messages()
        yield from self._of_runs()
        yield from self._of_scores()

    def _of_threads(self) -> Iterator[Listing]:
        for by in ("created_at", "updated_at"):
            call = "memory.list_threads"
            every: dict[str, Any] = {"order_by": by, "per_page": None}
            newest = sorted(self.threads, key=lambda t: (getattr(t, by), t.id), reverse=True)
            yield Listing(call, (), every, newest)
            yield Listing(call, (), {**every, "direction": "asc"}, newest[::-1])
            for owner in {thread.resource_id for thread in newest}:
                mine = [thread for thread in newest if thread.resource_id == owner]
                yield Listing(f"{call}_by_resource_id", (owner,), every, mine)

    def _of_messages(self) -> Iterator[Listing]:
        call, every = "memory.list_messages", {"per_page": None}
        for thread in self.threads:
            own = [row.message for row in self.messages if row.thread_id == thread.id]
            yield Listing(call, (thread.id,), every, own)
            newest = {"per_page": 2, "direction": "desc"}
            yield Listing(call, (thread.id,), newest, own[::-1][:2])
        messages = [row.message for row in self.messages]
        for owner in {message.resource_id for message in messages}:
            own = [message for message in messages if message.resource_id == owner]
            yield Listing(f"{call}_by_resource_id", (owner,), every, own)
        ids = [message.id for message in messages]
        yield Listing(f"{call}_by_id", (ids,), {}, messages)

    def _of_runs(self) -> Iterator[Listing]:
        call, newest = "workflows.list_workflow_runs", self.runs[::-1]
        yield Listing(call, (), {}, newest)
        yield Listing(call, (), {"page": 1, "per_page": 2}, newest[2:4])
        for name in ("workflow_name", "resource_id", "status"):
            for value in {getattr(run, name) for run in newest} - {None}:
                own = [run for run in newest if getattr(run, name) == value]
                yield Listing(call, (), {name: value}, own)
        newest_of = {run.run_id: run for run in self.runs}
        for run in newest:
            call, exact = "workflows.get_workflow_run_by_id", {"workflow_name": run.workflow_name}
            yield Listing(call, (run.run_id,), exact, run)
            yield Listing(call, (run.run_id,), {}, newest_of[run.run_id])

    def _of_scores(self) -> Iterator[Listing]:
        newest = self.scores[::-1]
        for name in ("scorer_id", "run_id", "entity_id"):
            for value in {getattr(score, name) for score in newest}:
                own = [score for score in newest if getattr(score, name) == value]
                yield Listing(f"scores.list_scores_by_{name}", (value,), {}, own)
        for span in {(score.trace_id, score.span_id) for score in newest if score.span_id}:
            own = [score for score in newest if (score.trace_id, score.span_id) == span]
            yield Listing("scores.list_scores_by_span", span, {}, own)


async def truth(raw: Raw, keys: Keys) -> Truth:
    """Read every record."""
    names = await raw.keys(keys.prefix)
    threads = await _decoded(raw, names, f"{keys.prefix}mastra_threads:id:", codecs.decode_thread)
    start = f"{keys.prefix}mastra_messages:threadId:"
    messages = await _decoded(raw, names, start, codecs.decode_message)
    placed: list[_Placed] = []
    places = [keys.place_of_message(key) for key, _ in messages]
    ranks = await raw.many(
        *(("ZSCORE", keys.timeline(thread_id), id_) for thread_id, id_ in places)
    )
    for (key, message), (thread_id, id_), score in zip(messages, places, ranks, strict=True):
        assert score is not None, f"a message that no order names: {key}"
        row = epoch_us(message.created_at), int(float(score)), thread_id, id_
        placed.append(_Placed(*row, message))
    start = f"{keys.prefix}mastra_workflow_snapshot:namespace:workflows:"
    runs = await _decoded(raw, names, start, codecs.decode_run)
    scores = await _decoded(raw, names, keys.score(""), codecs.decode_score)
    return Truth(
        [thread for _, thread in threads],
        sorted(placed, key=lambda row: row[:4]),
        _by_date(runs),
        _by_date(scores),
    )


def _by_date(records: Iterable[tuple[str, Any]]) -> list[Any]:
    return [item for _, item in sorted(records, key=lambda pair: (pair[1].created_at, pair[0]))]


async def _decoded(
    raw: Raw, names: list[str], start: str, decode: Callable[[str, bytes], Any]
) -> list[tuple[str, Any]]:
    keys = [name for name in names if name.startswith(start)]
    values: list[bytes] = await raw("MGET", *keys) if keys else []
    return [(key, decode(key, value)) for key, value in zip(keys, values, strict=True)]


async def check_listings(store: RedisStore, raw: Raw, keys: Keys) -> Truth:
    """Assert that every listing shows the records that there are, all of them, in order."""
    expected = await truth(raw, keys)
    for listing in expected.listings():
        assert await listing.ask(store) == listing.expected, listing[:3]
    return expected
