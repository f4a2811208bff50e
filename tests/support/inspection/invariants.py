"""What must hold of the stored keys whenever no call is under way, checked on the raw data."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from redis_store import RedisStore
from redis_store._engine.codecs import decode_message, decode_thread
from redis_store._engine.keys import Keys
from redis_store._engine.timestamps import epoch_us
from redis_store.models import Message, Thread
from tests.support.wire.raw import Raw, fields_of, scores_of, typed_values

# Index entries of records that are gone or belong elsewhere: no reader shows them.
_STALE = {"stale entry", "stale id index"}


class _Data(msgspec.Struct):
    """All keys under a prefix, by type."""

    strings: dict[str, bytes]
    sorted_sets: dict[str, dict[str, int]]
    hashes: dict[str, dict[str, int]]


async def _load(raw: Raw, prefix: str) -> _Data:
    data = _Data({}, {}, {})
    for key, (kind, value) in (await typed_values(raw, prefix)).items():
        if kind == b"string":
            data.strings[key] = value
        elif kind == b"zset":
            data.sorted_sets[key] = scores_of(value)
        elif not key.startswith(f"{prefix}redis_store:memory:vectors:"):
            data.hashes[key] = {owner: int(n) for owner, n in fields_of(value).items()}
    return data


async def check_invariants(raw: Raw, keys: Keys) -> None:
    """Assert that records, orders and indexes under the prefix agree, both ways.

    Every id in a thread's order has a body and an id index, and the reverse; scores rise strictly
    along the dates and are not below them; every thread is in exactly its indexes; the counts by
    resource are right; every resource with messages knows their threads.
    """
    data = await _load(raw, keys.prefix)
    threads = [
        decode_thread(key, stored)
        for key, stored in data.strings.items()
        if key.startswith(f"{keys.prefix}mastra_threads:")
    ]
    messages = [
        decode_message(key, stored)
        for key, stored in data.strings.items()
        if key.startswith(f"{keys.prefix}mastra_messages:")
    ]
    _check_threads(data, keys, threads)
    _check_messages(data, keys, threads, messages)
    _check_owners(data, keys, messages)


def _check_threads(data: _Data, keys: Keys, threads: Iterable[Thread]) -> None:
    expected: dict[str, dict[str, int]] = {}
    for thread in threads:
        for order_by in ("created_at", "updated_at"):
            for index in keys.thread_indexes(thread.id, thread.resource_id, order_by):
                score = epoch_us(getattr(thread, order_by))
                expected.setdefault(index, {})[thread.id] = score
    listed = f"{keys.prefix}redis_store:memory:threads:"
    assert {k: v for k, v in data.sorted_sets.items() if k.startswith(listed)} == expected


def _check_messages(
    data: _Data, keys: Keys, threads: Iterable[Thread], messages: Iterable[Message]
) -> None:
    known = {thread.id for thread in threads}
    by_thread: dict[str, dict[str, Message]] = {}
    for message in messages:
        assert message.thread_id in known, f"a message of a missing thread: {message.id}"
        assert keys.message(message.thread_id, message.id) in data.strings
        by_thread.setdefault(message.thread_id, {})[message.id] = message
    indexes = {
        keys.message_pointer(id_): thread_id.encode()
        for thread_id, members in by_thread.items()
        for id_ in members
    }
    prefix = keys.message_pointer("")
    assert {k: v for k, v in data.strings.items() if k.startswith(prefix)} == indexes
    orders = {k: v for k, v in data.sorted_sets.items() if k.endswith(":messages")}
    assert orders.keys() == {keys.timeline(thread_id) for thread_id in by_thread}
    for thread_id, members in by_thread.items():
        order = orders[keys.timeline(thread_id)]
        assert order.keys() == members.keys()
        dates = [epoch_us(members[id_].created_at) for id_ in order]
        assert dates == sorted(dates), "the order is not by date"
        assert len(set(order.values())) == len(order), "two messages share a score"
        assert all(score >= us for score, us in zip(order.values(), dates, strict=True))


def _check_owners(data: _Data, keys: Keys, messages: Iterable[Message]) -> None:
    counts: dict[str, Counter[str]] = {}
    for message in messages:
        counts.setdefault(message.thread_id, Counter())[message.resource_id] += 1
    for thread_id, expected in counts.items():
        owners = data.hashes[keys.resource_counts(thread_id)]
        assert {owner: n for owner, n in owners.items() if n} == dict(expected)
        for resource_id in expected:
            assert thread_id in data.sorted_sets[keys.threads_with_messages_of(resource_id)]


async def mend_hints(store: RedisStore) -> None:
    """Let ``verify`` mend the indexes; assert that nothing else was wrong."""
    report = await store.verify(repair=True)
    assert report.problems.keys() <= {"missing entry", *_STALE}


async def check_settled(store: RedisStore, raw: Raw, keys: Keys) -> None:
    """Assert that every record is whole, and that every index leads to all that it should.

    In the plain layout no index holds anything else. In the hash-tagged layout no step spans a
    record and its indexes, so entries that lead nowhere may be left; they are removed.
    """
    if keys.hash_tags:
        report = await store.verify(repair=True)
        assert report.problems.keys() <= _STALE, report.findings
    await check_invariants(raw, keys)


async def check_indexed(store: RedisStore, *, raced: bool = False) -> None:
    """Assert that every record is in all its indexes and that no index holds anything else.

    Args:
        store: The store to check.
        raced: Whether entries that lead nowhere may be left, as no step spans a record and its
            indexes in the hash-tagged layout.
    """
    report = await store.verify()
    assert report.problems.keys() <= ({"stale entry"} if raced else set()), report.findings
