"""Documents: bytes by key, compare-and-set, and indexes by score and by text."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from redis_store import CorruptRecordError, InvalidArgumentError
from redis_store._engine.database import Database
from redis_store._engine.documents import MISSING, Documents
from redis_store._engine.hash_indexes import IndexEntry
from redis_store._engine.integration_keys import IntegrationKeys
from tests.integrations.test_logs import HOSTILE
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw

ALL = ("all",)


@pytest.fixture
def documents(db: Database, keys: IntegrationKeys) -> Documents:
    return Documents(db, keys, "task")


async def listed(documents: Documents, *by: str, **options: Any) -> list[str]:
    found = await documents.list_by(by, **options)
    return [entry.id[0] for entry, _ in found]


async def by_text(documents: Documents, prefix: str) -> list[str]:
    return [entry.text for entry, _ in await documents.list_by_text(("name",), prefix)]


@on_each_topology
async def test_a_document_is_stored_read_and_deleted(documents: Documents) -> None:
    assert await documents.get(("a",)) is None
    version = await documents.put(("a",), b"\0\xff", [IndexEntry(ALL, 1)])
    found = await documents.get(("a",))
    assert found is not None
    assert (found.body, found.version) == (b"\0\xff", version)
    await documents.put(("b", "c"), b"")
    many = await documents.get_many([("b", "c"), ("x",), ("a",)])
    assert [each and each.body for each in many] == [b"", None, b"\0\xff"]
    assert await documents.delete(("a",))
    assert not await documents.delete(("a",))
    assert await documents.get(("a",)) is None
    assert await documents.indexes.page(ALL) == []


@on_each_topology
async def test_of_racing_writers_of_one_version_one_wins(documents: Documents) -> None:
    made = await asyncio.gather(
        *(documents.put(("a",), b"%d" % n, expect=MISSING) for n in range(10))
    )
    (first,) = [version for version in made if version is not None]
    assert await documents.put(("a",), b"x", expect=MISSING) is None
    changed = await asyncio.gather(
        *(documents.put(("a",), b"%d" % n, expect=first) for n in range(10))
    )
    (second,) = [version for version in changed if version is not None]
    found = await documents.get(("a",))
    assert found is not None
    assert found.body == b"%d" % changed.index(second)
    assert not await documents.delete(("a",), expect=first)
    assert await documents.delete(("a",), expect=second)
    assert await documents.put(("a",), b"x", expect=second) is None
    assert await documents.get(("a",)) is None


async def test_compare_and_set_loses_no_update(documents: Documents) -> None:
    await documents.put(("n",), b"0")

    async def increment() -> None:
        while True:
            found = await documents.get(("n",))
            assert found is not None
            if await documents.put(("n",), b"%d" % (int(found.body) + 1), expect=found.version):
                return

    await asyncio.gather(*(increment() for _ in range(20)))
    found = await documents.get(("n",))
    assert found is not None
    assert found.body == b"20"


@on_each_topology
async def test_a_document_moves_from_index_to_index(documents: Documents) -> None:
    """With its version or without; the record decides what it leaves."""
    open_, done = ("status", "open"), ("status", "done")
    version = await documents.put(("a",), b"1", [IndexEntry(open_, 1), IndexEntry(ALL, 1)])
    await documents.put(("b",), b"1", [IndexEntry(open_, 0.5), IndexEntry(ALL, 2)])
    assert await listed(documents, *open_) == ["b", "a"]
    version = await documents.put(
        ("a",), b"2", [IndexEntry(done, 1), IndexEntry(ALL, 3)], expect=version
    )
    assert [await listed(documents, *by) for by in (open_, done)] == [["b"], ["a"]]
    await documents.put(("b",), b"2", [IndexEntry(done, -2.5)])
    assert [await listed(documents, *by) for by in (open_, done, ALL)] == [[], ["b", "a"], ["a"]]
    assert version is not None
    assert await documents.delete(("a",), expect=version)
    assert await documents.delete(("b",))
    for by in (open_, done, ALL):
        assert await documents.indexes.page(by) == []


async def test_documents_are_listed_in_pages(documents: Documents) -> None:
    for n in range(10):
        await documents.put((f"{n}",), b"%d" % n, [IndexEntry(ALL, n)])
    digits = [f"{n}" for n in range(10)]
    assert await listed(documents, *ALL) == digits
    assert await listed(documents, *ALL, start=3, limit=2) == ["3", "4"]
    assert await listed(documents, *ALL, newest_first=True, limit=3) == ["9", "8", "7"]
    assert await listed(documents, *ALL, start=9, limit=5) == ["9"]
    assert await listed(documents, *ALL, limit=0) == await listed(documents, "none") == []


async def test_documents_are_listed_by_the_start_of_a_text(documents: Documents) -> None:
    texts = ["", "a", "a/", "a/b", "a/é", "ab", "b", "é", "\U0010ffff"]
    for n, text in enumerate(texts):
        await documents.put((f"{n}",), b"", [IndexEntry(("name",), text=text)])
    ordered = sorted(texts, key=str.encode)
    assert await by_text(documents, "") == ordered
    assert await by_text(documents, "a") == ["a", "a/", "a/b", "a/é", "ab"]
    assert await by_text(documents, "a/") == ["a/", "a/b", "a/é"]
    assert await by_text(documents, "c") == []
    first = await documents.list_by_text(("name",), "a", limit=2)
    rest = await documents.list_by_text(("name",), "a", after=first[-1][0], limit=2)
    assert [entry.text for entry, _ in first + rest] == ["a", "a/", "a/b", "a/é"]


async def test_hostile_ids_are_told_apart(documents: Documents) -> None:
    ids = [(first, second) for first in HOSTILE for second in HOSTILE]
    for id_ in ids:
        entries = [IndexEntry(id_), IndexEntry(("name",), text=id_[0].replace("\0", ""))]
        await documents.put(id_, "".join(id_).encode(), entries)
    for id_ in ids:
        (found,) = await documents.list_by(id_)
        assert (found[0].id, found[1].body) == (id_, "".join(id_).encode())
    assert {entry.id for entry, _ in await documents.list_by_text(("name",), "")} == set(ids)


async def test_a_text_with_nul_is_refused_before_anything_is_sent(documents: Documents) -> None:
    with pytest.raises(InvalidArgumentError, match="NUL"):
        await documents.put(("a",), b"", [IndexEntry(("name",), text="a\0b")])
    assert await documents.get(("a",)) is None


async def test_an_unused_document_expires_and_a_used_one_does_not(
    db: Database, keys: IntegrationKeys, raw: Raw
) -> None:
    documents = Documents(db, keys, "task", ttl=timedelta(hours=1))
    key = keys.key("task", "a")
    await documents.put(("a",), b"1", [IndexEntry(ALL, 1)])
    for use in (
        lambda: documents.put(("a",), b"2", [IndexEntry(ALL, 1)]),
        lambda: documents.get(("a",)),
        lambda: documents.list_by(ALL),
    ):
        await raw("PEXPIRE", key, 1000)
        await use()
        assert 3_590_000 < await raw("PTTL", key) <= 3_600_000
    await Documents(db, keys, "task").put(("a",), b"3", [IndexEntry(ALL, 1)])
    assert await raw("PTTL", key) == -1
    await raw("DEL", key)
    assert await documents.list_by(ALL) == []
    assert await documents.indexes.page(ALL) == [], "its entry is removed by who finds it"


@pytest.mark.parametrize("scores", ["", "1 2", "x"])
async def test_a_corrupt_document_says_its_key(
    documents: Documents, keys: IntegrationKeys, raw: Raw, scores: str
) -> None:
    await documents.put(("a",), b"1", [IndexEntry(ALL, 1)])
    await raw("HSET", keys.key("task", "a"), "scores", scores)
    with pytest.raises(CorruptRecordError) as caught:
        await documents.list_by(ALL)
    assert caught.value.key == keys.key("task", "a")


async def test_a_foreign_member_says_its_index(
    documents: Documents, keys: IntegrationKeys, raw: Raw
) -> None:
    await raw("ZADD", keys.index("task_by", *ALL), 1, "no id")
    with pytest.raises(CorruptRecordError) as caught:
        await documents.list_by(ALL)
    assert caught.value.key == keys.index("task_by", *ALL)
