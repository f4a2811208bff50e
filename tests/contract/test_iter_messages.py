"""Iterating over a thread's messages in bounded memory, while others work on them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from redis_store import InvalidArgumentError, MemoryStore, Message, RedisStore
from redis_store.pages import Direction
from tests.support.deployments.place import Place
from tests.support.records.builders import message
from tests.support.records.messages import listed, make_threads, saved
from tests.support.wire.proxies import CountingProxy


async def drained(messages: AsyncIterator[Message]) -> list[str]:
    return [one.id async for one in messages]


async def test_every_message_comes_once_in_order(store: RedisStore) -> None:
    """LIST-01: the same as the listing, in both directions, at every size of a batch."""
    await saved(store, *(message(f"m{n}", n // 3) for n in range(10)))
    for size in (1, 2, 3, 9, 10, 11, 100):
        up = await drained(store.memory.iter_messages("t", batch_size=size))
        assert up == [f"m{n}" for n in range(10)]
        down = await drained(store.memory.iter_messages("t", direction="desc", batch_size=size))
        assert down == up[::-1]


async def test_an_unknown_or_empty_thread_gives_nothing(store: RedisStore) -> None:
    """GEN-05: absence is no error."""
    await make_threads(store, "t")
    assert await drained(store.memory.iter_messages("t")) == []
    assert await drained(store.memory.iter_messages("unknown", direction="desc")) == []


async def test_whole_messages_come(store: RedisStore) -> None:
    """GEN-02: as they were saved, by default a hundred at a time."""
    await make_threads(store, "t")
    batch = [message(f"m{n}", n, metadata={"n": n}) for n in range(101)]
    await store.memory.save_messages(batch)
    assert [m async for m in store.memory.iter_messages("t")] == batch


async def test_a_batch_at_a_time_is_read(
    store: RedisStore, metered: MemoryStore, proxy: CountingProxy
) -> None:
    """GEN-10: bounded memory: a round trip per batch, and none before the first is asked for."""
    await saved(store, *(message(f"m{n}", n) for n in range(9)))
    proxy.reset()
    messages = metered.iter_messages("t", batch_size=3)
    assert proxy.total.round_trips == 0
    seen = [proxy.total.round_trips async for _ in messages]
    assert seen == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"thread_id": ""},
        {"thread_id": "a:id:b"},
        {"thread_id": None},
        {"thread_id": ["t"]},
        {"direction": "down"},
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"batch_size": None},
        {"batch_size": True},
    ],
    ids=repr,
)
async def test_a_wrong_argument_is_refused_before_any_io(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    """PAGE-01, PAGE-04: at the call, not at the first message."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    asked: dict[str, Any] = {"thread_id": "t", **wrong}
    with pytest.raises(InvalidArgumentError) as caught:
        store.memory.iter_messages(**asked)
    assert caught.value.code.startswith("ITER_MESSAGES_INVALID_")
    await store.close()


class Walk:
    """One iteration over a thread's messages, during which another store works on them."""

    def __init__(self, store: RedisStore, direction: Direction, size: int) -> None:
        self._store = store
        self._direction: Direction = direction
        self._size = size

    @property
    def thread_id(self) -> str:
        return f"t-{self._direction}-{self._size}"

    async def begin(self, *dates: int) -> None:
        """Save a message ``m…`` for each date."""
        await saved(self._store, *(self.message(f"m{n:02}", us) for n, us in enumerate(dates)))

    def message(self, id_: str, us: int) -> Message:
        """Build a message of this thread."""
        return message(f"{id_}-{self.thread_id}", us, thread_id=self.thread_id)

    async def run(self, meanwhile: Callable[[str], Awaitable[object]]) -> list[str]:
        """Iterate, and call ``meanwhile`` after each message with its short id."""
        seen: list[str] = []
        async for one in self._store.memory.iter_messages(
            self.thread_id, direction=self._direction, batch_size=self._size
        ):
            seen.append(one.id.removesuffix(f"-{self.thread_id}"))
            await meanwhile(seen[-1])
        return seen

    def check(self, seen: list[str], there: int) -> None:
        """Each came once, and those that were there came in order."""
        assert len(set(seen)) == len(seen)
        expected = [f"m{n:02}" for n in range(there)]
        came = [id_ for id_ in seen if id_ in expected]
        assert came == (expected if self._direction == "asc" else expected[::-1])


@pytest.fixture
def walks(store: RedisStore) -> list[Walk]:
    """Walks in both directions, in batches of several sizes, each in its own thread."""
    directions: tuple[Direction, ...] = ("asc", "desc")
    return [Walk(store, direction, size) for direction in directions for size in (1, 2)]


@pytest.fixture
async def other(place: Place) -> AsyncIterator[RedisStore]:
    """A second store on the same data."""
    async with place.store() as second:
        yield second


async def test_messages_added_meanwhile_disturb_nothing(
    walks: list[Walk], other: RedisStore
) -> None:
    """GEN-11: those that were there come once, in order, though ties push them up."""
    for walk in walks:

        async def add(id_: str, walk: Walk = walk) -> None:
            if id_.startswith("m"):
                batch = [walk.message(f"{k}-{id_}", k) for k in (0, 3, 6, 50)]
                await other.memory.save_messages(batch)

        await walk.begin(*range(12))
        walk.check(await walk.run(add), 12)


async def test_messages_deleted_meanwhile_disturb_nothing(
    walks: list[Walk], other: RedisStore
) -> None:
    """GEN-11: what is left comes once, in order, though all that were seen are gone."""
    for walk in walks:

        async def delete(id_: str, walk: Walk = walk) -> None:
            assert await other.memory.delete_messages([walk.message(id_, 0).id]) == 1

        await walk.begin(*(n // 3 for n in range(16)))
        walk.check(await walk.run(delete), 16)
        assert await listed(other, walk.thread_id) == []


@pytest.mark.parametrize("ties", [1, 4])
async def test_messages_added_and_deleted_meanwhile_disturb_nothing(
    walks: list[Walk], other: RedisStore, ties: int
) -> None:
    """GEN-11: the last one seen is gone, and those around it were pushed up since."""
    for walk in walks:

        async def disturb(id_: str, walk: Walk = walk) -> None:
            if id_.startswith("m") and int(id_[1:]) % 3 == 1:
                await other.memory.delete_messages([walk.message(id_, 0).id])
                batch = [walk.message(f"{k}-{id_}", 9) for k in range(5)]
                await other.memory.save_messages(batch)

        await walk.begin(*(10 + n // ties for n in range(12)))
        walk.check(await walk.run(disturb), 12)


async def test_a_new_date_for_the_last_one_seen_disturbs_nothing(
    walks: list[Walk], other: RedisStore
) -> None:
    """GEN-11: it may come again at its new place; the others still come once each."""
    for walk in walks:
        dates = {"m04": 99 if "asc" in walk.thread_id else -99}

        async def move(id_: str, walk: Walk = walk, dates: dict[str, int] = dates) -> None:
            if id_ in dates:
                await other.memory.save_messages([walk.message(id_, dates.pop(id_))])

        await walk.begin(*range(9))
        seen = await walk.run(move)
        first = seen.index("m04")
        walk.check([id_ for n, id_ in enumerate(seen) if id_ != "m04" or n == first], 9)
