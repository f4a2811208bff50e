"""The memory domain: what agents remember as threads, messages and resources."""

from redis_store._engine.operations import unbounded
from redis_store.memory.clones import Cloning
from redis_store.memory.message_reads import Reading
from redis_store.memory.message_writes import Saving
from redis_store.memory.resources import Resources
from redis_store.memory.thread_lists import ThreadListings
from redis_store.memory.threads import Threads
from redis_store.memory.updating import Updating


class MemoryStore(Threads, ThreadListings, Reading, Saving, Updating, Cloning, Resources):
    """Threads, messages and resources.

    Every id is opaque: any non-empty string of at most 1 kB in UTF-8, except that a thread id may
    neither contain ``:id:`` nor end in ``:id``. Bad arguments raise ``InvalidArgumentError``
    before any I/O. A server that fails raises ``BackendError``, on reads too. Costs are given in
    round trips of the plain key layout.
    """

    @unbounded
    async def dangerously_clear_all(self) -> None:
        """Remove every thread, message and resource under the store's prefix, and their indexes.

        Scans the whole keyspace of every node; other keys stay.
        """
        await self._batch.clear(self._keys.memory_patterns())


__all__ = ["MemoryStore"]
