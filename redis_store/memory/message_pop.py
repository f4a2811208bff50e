"""Message pops: the newest message of a thread, taken off it by one caller."""

from typing import NamedTuple

from redis_store._connections.commands import decoded, encoded
from redis_store._engine import clock, codecs
from redis_store._engine.arguments import check_thread_id
from redis_store._engine.operations import Repository, operation
from redis_store._engine.scripts import POP_MESSAGE
from redis_store._engine.steps import Body
from redis_store._engine.timestamps import epoch_us, iso
from redis_store.errors import CorruptRecordError
from redis_store.memory import windows
from redis_store.memory.lifetime import ttl_ms
from redis_store.memory.locations import find_moved, threads_of
from redis_store.memory.thread_outline import Outline, read_outline
from redis_store.memory.thread_transaction import (
    ShardedThreadTransaction,
    ThreadTransaction,
    begin,
    transact_threads,
)
from redis_store.memory.windows import Window
from redis_store.models import Message

# Messages per round trip in the search for one that has not moved to another thread.
_CHUNK = 10


class _Newest(NamedTuple):
    """The newest message of a thread, and the thread that its pointer names."""

    id: str
    message: Message
    holder: str | None


class MessagePop(Repository):
    """The call that takes messages off a thread."""

    @operation
    async def pop_message(self, thread_id: str) -> Message | None:
        """Remove the newest message of a thread and return it, in one atomic step.

        Each message goes to one of racing callers. Moves ``updated_at``. One round trip; four in
        the hash-tagged layout, and more where stores compete, because the message's pointer, which
        decides whether it is in this thread, is in another slot.

        Returns:
            The message; ``None`` if the thread has none, or is unknown.

        Raises:
            BackendUnavailableError: If ``details["in_doubt"]``, the message may have been removed.
        """
        check_thread_id("thread_id", thread_id)
        us = epoch_us(await clock.now(self._db))
        if self._keys.hash_tags or self._db.scans:
            return await self._pop_checked(thread_id, us)
        where = self._keys.of_thread(thread_id)
        owner_index, shard = self._keys.thread_indexes(thread_id, "", "updated_at")
        prefixes = where.bodies, self._keys.message_pointer(""), owner_index
        # Not repeatable: it would take another message.
        reply = await self._db.run(
            POP_MESSAGE,
            [where.record, where.timeline, where.counts, shard],
            [*prefixes, thread_id, us, iso(us), ttl_ms(self._db)],
            repeatable=False,
        )
        if not reply:
            return None
        id_, *taken = reply
        if not taken:
            return await self._pop_checked(thread_id, us)
        return await self._decoded(thread_id, decoded(id_), *taken)

    async def _decoded(
        self, thread_id: str, id_: str, score: bytes, resource_id: bytes, json: bytes
    ) -> Message:
        """Decode a message that was taken; put it back if it is corrupt."""
        key = self._keys.message(thread_id, id_)
        try:
            return codecs.decode_message(key, json)
        except CorruptRecordError:
            tx = begin(self._db)
            tx.expect({key: None})
            tx.claim(thread_id, [id_])
            tx.put(thread_id, [Body(id_, int(float(score)), decoded(resource_id), json)])
            await tx.commit()
            raise

    async def _pop_checked(self, thread_id: str, now_us: int) -> Message | None:
        """Read the newest message, then remove it unless anybody has written to the thread."""
        key = self._keys.thread(thread_id)

        async def attempt(tx: ThreadTransaction) -> Message | None:
            outline = await read_outline(self._db, thread_id)
            if outline.stored is None:
                return None
            owner = codecs.decode_thread(key, outline.stored).resource_id
            newest = await self._newest(thread_id, outline)
            if newest is None:
                return None
            # Read before the message and its pointer, so this covers both: whoever saves a message,
            # takes this one or moves it changes the record.
            tx.expect({key: outline.stored})
            if isinstance(tx, ShardedThreadTransaction):
                # Indexes change after the script: one that is refused must leave no date in them.
                tx.touch_whoever_owns(thread_id, now_us)
            else:
                tx.touch(thread_id, owner, now_us)
            tx.drop(thread_id, [newest.id])
            if self._keys.hash_tags or newest.holder == thread_id:
                tx.forget({newest.id: thread_id})
            return newest.message

        async with self._db.locks.of(key):
            return await transact_threads(self._db, attempt, repeatable=False)

    async def _newest(self, thread_id: str, outline: Outline) -> _Newest | None:
        """Find the newest message, without copies of messages that are in other threads by now."""
        if outline.newest and not self._db.scans:
            _, id_ = outline.newest
            key, pointer = self._keys.message(thread_id, id_), self._keys.message_pointer(id_)
            found = await self._db.get([key, pointer])
            json = found[key]
            if json is not None and found[pointer] == encoded(thread_id):
                return _Newest(id_, codecs.decode_message(key, json), thread_id)
        window = Window(thread_id=thread_id, direction="desc")
        async for (*_, id_), message in windows.iterate(self._db, window, _CHUNK):
            holder = (await threads_of(self._db, [id_])).get(id_)
            if holder is not None and holder != thread_id:
                # The thread where it is found; none if it is not on its way to another.
                holder = (await find_moved(self._db, {id_: holder})).get(id_)
            if holder in (None, thread_id):
                return _Newest(id_, message, holder)
        return None
