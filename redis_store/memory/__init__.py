"""The memory domain: threads, messages and resources.

``MemoryStore`` combines one module per group of calls: ``threads``, ``thread_lists``,
``message_reads``, ``message_writes``, ``message_pop``, ``clones`` and ``resources``. They build on
``message_pages`` (pages, merged and with included messages), ``windows`` (ranges of one thread),
``message_filter``, ``locations`` (messages by id), ``thread_outline`` and ``thread_copy`` (threads
without bodies; clones in the making), ``thread_deletion``, ``lifetime`` and ``expired_threads``
(threads that expire), ``message_vectors`` and ``vector_codes`` (searches by meaning), and
``thread_transaction`` (writes to threads).
"""

from redis_store._engine.operations import unbounded
from redis_store.memory.clones import Clones
from redis_store.memory.message_pop import MessagePop
from redis_store.memory.message_reads import MessageReads
from redis_store.memory.message_writes import MessageWrites
from redis_store.memory.resources import Resources
from redis_store.memory.thread_lists import ThreadLists
from redis_store.memory.threads import Threads


class MemoryStore(Threads, ThreadLists, MessageReads, MessageWrites, MessagePop, Clones, Resources):
    """Threads, messages and resources.

    Ids are opaque: any non-empty string of at most 1 kB in UTF-8, except that a thread id may
    neither contain ``:id:`` nor end in ``:id``. Bad arguments raise ``InvalidArgumentError``
    before any I/O. If the server fails, reads and writes raise ``BackendError``. Costs are given
    in round trips of the plain key layout.
    """

    @unbounded
    async def dangerously_clear_all(self) -> None:
        """Remove every thread, message and resource under the store's prefix, and their indexes.

        Scans the whole keyspace of every node; other keys are untouched.
        """
        await self._db.clear(self._keys.memory_patterns())


__all__ = ["MemoryStore"]
