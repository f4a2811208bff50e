"""Export: iterates over everything that belongs to one resource.

Tests: ``tests/maintenance/test_export.py``.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from redis_store._engine import codecs
from redis_store._engine.database import Database
from redis_store._engine.indexes import MESSAGES, RUNS, SCORES, THREADS, UNLISTED_RUNS, Kind
from redis_store.errors import CorruptRecordError
from redis_store.maintenance.candidates import Candidates, walk
from redis_store.maintenance.integrations import registered
from redis_store.models import Message, Record, Thread


class Export:
    """The records that an erasure would remove. Reading them does not count as use of a thread."""

    def __init__(self, db: Database, resource_id: str) -> None:
        self._db = db
        self._keys = db.keys
        self._candidates = Candidates(db, resource_id)
        # A scan may return a key twice.
        self._seen: set[str] = set()
        self._corrupt: CorruptRecordError | None = None

    async def records(self) -> AsyncIterator[Record]:
        """Iterate over the resource, its threads and messages, runs, scores, and integrations'.

        Raises:
            CorruptRecordError: One of its records is corrupt; all others were returned.
        """
        key = self._keys.resource(self._candidates.resource_id)
        stored = await self._db.command("GET", key)
        if stored is not None:
            try:
                yield codecs.decode_resource(key, stored)
            except CorruptRecordError as error:
                self._note_corrupt(error)
        messages = self._scanned_messages() if self._db.scans else self._messages_elsewhere()
        domains = self._threads(), messages, self._runs(), self._of(SCORES)
        for part in (*domains, *self._of_integrations()):
            async for record in part:
                yield record
        if self._corrupt is not None:
            raise self._corrupt

    def _of_integrations(self) -> Iterator[AsyncIterator[Record]]:
        for integration in registered():
            if integration.export is not None:
                yield integration.export(self._db, self._candidates.resource_id)

    async def _threads(self) -> AsyncIterator[Thread | Message]:
        async for thread in self._of(THREADS):
            yield thread
            # A scan finds all messages together, later.
            if not self._db.scans:
                async for message in self._messages_in(thread.id, is_owned=True):
                    yield message

    async def _messages_elsewhere(self) -> AsyncIterator[Message]:
        async for thread_ids in self._candidates.threads_with_messages():
            owned = await self._owned(thread_ids)
            for thread_id in thread_ids:
                if thread_id not in owned:
                    async for message in self._messages_in(thread_id, is_owned=False):
                        yield message

    async def _scanned_messages(self) -> AsyncIterator[Message]:
        async for thread_id, ids in self._candidates.scanned_messages():
            is_owned = thread_id in await self._owned([thread_id])
            for message in await self._messages(thread_id, ids, is_owned=is_owned):
                yield message

    async def _messages_in(self, thread_id: str, *, is_owned: bool) -> AsyncIterator[Message]:
        async for ids in walk(self._db, self._keys.timeline(thread_id)):
            for message in await self._messages(thread_id, ids, is_owned=is_owned):
                yield message

    async def _messages(
        self, thread_id: str, ids: Sequence[str], *, is_owned: bool
    ) -> list[Message]:
        """Read some of a thread's messages: all if the resource owns it, else those of its own."""
        found = await self._db.get([self._keys.message(thread_id, id_) for id_ in ids])
        messages = MESSAGES.read_all(found, self._note_corrupt if is_owned else None)
        chosen = messages if is_owned else self._candidates.own(messages)
        return [message for key, message in chosen.items() if self._is_new(key)]

    async def _owned(self, thread_ids: Sequence[str]) -> set[str]:
        """Return which of some threads belong to the resource."""
        key_of = {id_: self._keys.thread(id_) for id_ in thread_ids}
        owned = self._candidates.own(THREADS.read_all(await self._db.get(list(key_of.values()))))
        return {id_ for id_, key in key_of.items() if key in owned}

    async def _runs(self) -> AsyncIterator[Any]:
        for kind in (RUNS, UNLISTED_RUNS):
            async for run in self._of(kind):
                yield run

    async def _of(self, kind: Kind[Any]) -> AsyncIterator[Any]:
        """Iterate over the resource's records of a kind."""
        if self._db.scans:
            batches = self._candidates.scanned(kind)
        else:
            # One index is enough: threads are in two, by either date.
            indexes = self._candidates.indexes(kind)
            batches = self._candidates.indexed(kind, indexes[:1] if kind is THREADS else indexes)
        # Of a score, or without an index, nobody can tell whose a corrupt record is.
        is_listed = kind is not SCORES and not self._db.scans
        async for batch in batches:
            found = kind.read_all(batch.found, self._note_corrupt if is_listed else None)
            for key, record in self._candidates.own(found).items():
                if self._is_new(key):
                    yield record

    def _is_new(self, key: str) -> bool:
        """Whether a key comes for the first time; only scans are asked, as only they repeat."""
        if not self._db.scans:
            return True
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _note_corrupt(self, error: CorruptRecordError) -> None:
        self._corrupt = self._corrupt or error
