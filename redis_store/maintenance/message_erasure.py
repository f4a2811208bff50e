"""MessageErasure: removes messages of one resource; see ``erasure``."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from redis_store._connections.commands import encoded, pairs
from redis_store._engine.database import Database
from redis_store._engine.indexes import MESSAGES, THREADS
from redis_store._engine.scripts import CAS
from redis_store._engine.sharded_commit import uninterrupted
from redis_store.maintenance.candidates import Candidates, walk
from redis_store.maintenance.reindex import recount
from redis_store.maintenance.report import ErasureTally
from redis_store.memory.thread_outline import leave_resources
from redis_store.memory.thread_transaction import ThreadTransaction, transact_threads

T = TypeVar("T")
# Adds conditions to a transaction, and returns which of a thread's messages to remove.
Choose = Callable[[ThreadTransaction], Awaitable[Sequence[str]]]


class MessageErasure:
    """Removes messages 500 at a time. This does not count as use of their threads."""

    def __init__(self, db: Database, candidates: Candidates, tally: ErasureTally) -> None:
        self._db = db
        self._keys = db.keys
        self._candidates = candidates
        self._tally = tally

    async def run(self) -> None:
        """Remove the resource's messages from all threads, and what the threads count of it."""
        if self._db.scans:
            async for thread_id, ids in self._candidates.scanned_messages():
                if await self._erase_own(thread_id, ids):
                    await self._leave(thread_id)
        async for thread_ids in self._candidates.threads_with_messages():
            for thread_id in thread_ids:
                await self._erase_from(thread_id)

    async def empty(self, key: str, thread_id: str) -> None:
        """Remove all messages of a thread, as long as it belongs to the resource."""

        async def erase(ids: Sequence[str]) -> None:
            async def choose(tx: ThreadTransaction) -> Sequence[str]:
                # Every write to the thread's messages changes its record, so this covers them too.
                thread = THREADS.read(key, await tx.read(key))
                return ids if self._candidates.own({key: thread}) else ()

            await self._remove(thread_id, choose)

        async for ids in walk(self._db, self._keys.timeline(thread_id)):
            await erase(ids)

    async def _erase_from(self, thread_id: str) -> None:
        for _ in range(2):
            async for ids in walk(self._db, self._keys.timeline(thread_id)):
                await self._erase_own(thread_id, ids)
            if await self._leave(thread_id):
                return
            # Another writer saved a message of the resource meanwhile, or the counts were wrong.
            await recount(self._db, thread_id)

    async def _erase_own(self, thread_id: str, ids: Sequence[str]) -> int:
        """Remove those of some messages that belong to the resource; return how many."""
        key_of = {id_: self._keys.message(thread_id, id_) for id_ in ids}
        found = await self._db.get(list(key_of.values()))

        async def choose(tx: ThreadTransaction) -> Sequence[str]:
            values = {key: tx.known.get(key, stored) for key, stored in found.items()}
            own = self._candidates.own(MESSAGES.read_all(values, self._tally.note_corrupt))
            tx.expect({key: values[key] for key in own})
            return [id_ for id_, key in key_of.items() if key in own]

        return await self._remove(thread_id, choose)

    async def _remove(self, thread_id: str, choose: Choose) -> int:
        """Remove the chosen messages of a thread, and their pointers; return how many."""
        retracted: dict[str, None] = {}

        async def attempt(tx: ThreadTransaction) -> ThreadTransaction:
            due = await choose(tx)
            if not due:
                return tx
            pointer_of = {id_: self._keys.message_pointer(id_) for id_ in due}
            holders = await self._db.get(list(pointer_of.values()))
            # A pointer to another thread is that thread's: only the copy here goes.
            here = [id_ for id_, at in pointer_of.items() if holders[at] == encoded(thread_id)]
            if self._keys.hash_tags:
                retracted.update(dict.fromkeys(here))
                await self._db.send([CAS.call([pointer_of[id_]], [thread_id, ""]) for id_ in here])
            else:
                tx.forget(dict.fromkeys(here, thread_id))
            tx.drop(thread_id, due)
            return tx

        async def steps() -> int:
            try:
                return (await transact_threads(self._db, attempt)).dropped
            finally:
                await self._restore_pointers(thread_id, retracted)

        dropped = await in_one_piece(self._db, steps())
        if dropped:
            self._tally.add("messages", dropped)
        return dropped

    async def _restore_pointers(self, thread_id: str, message_ids: Iterable[str]) -> None:
        """Point those messages at the thread again that were not removed after all."""
        # Looked for when their pointers are gone. Whoever saves such an id either wrote the message
        # before, so that this sees it, or claims the pointer afterwards.
        ids = list(message_ids)
        keys = [self._keys.message(thread_id, id_) for id_ in ids]
        present = await self._db.send([("EXISTS", key) for key in keys])
        await self._db.send(
            [
                ("SET", self._keys.message_pointer(id_), thread_id, "NX")
                for id_, is_present in zip(ids, present, strict=True)
                if is_present
            ]
        )

    async def _leave(self, thread_id: str) -> bool:
        """Remove the resource from a thread's counts, and the thread from the resource's list.

        Returns:
            Whether it did; not if the thread counts messages of the resource.
        """
        resource_id = self._candidates.resource_id
        record, counts = self._keys.thread(thread_id), self._keys.resource_counts(thread_id)

        async def attempt(tx: ThreadTransaction) -> bool:
            stored, flat = await self._db.send([("GET", record), ("HGETALL", counts)])
            if int(dict(pairs(flat)).get(encoded(resource_id), 0)) > 0:
                return False
            # Whoever saves a message changes the record, so that this is refused.
            tx.expect({record: stored})
            tx.command("HDEL", counts, resource_id)
            leave_resources(tx, thread_id, [resource_id])
            return True

        return await transact_threads(self._db, attempt)


async def in_one_piece(db: Database, steps: Coroutine[Any, Any, T]) -> T:
    """Run steps; in the hash-tagged layout to their end, even if the caller is cancelled."""
    return await (uninterrupted(steps) if db.keys.hash_tags else steps)
