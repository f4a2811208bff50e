"""RedisSaver: LangGraph's checkpoints in Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Self

from redis_store._engine.arguments import check_choice, check_ids, check_int
from redis_store._engine.timestamps import to_ms
from redis_store._parts import database_of, portal_of
from redis_store.errors import invalid_setting
from redis_store.integrations._extras import requires
from redis_store.integrations.langgraph import tuples
from redis_store.integrations.langgraph.checkpoint_keys import CheckpointKeys
from redis_store.integrations.langgraph.checkpoint_reads import CheckpointReads, Selection
from redis_store.integrations.langgraph.checkpoint_writes import CheckpointWrites
from redis_store.integrations.langgraph.opening import Opening, iterate
from redis_store.integrations.langgraph.thread_changes import ThreadChanges
from redis_store.integrations.langgraph.value_cache import ValueCache
from redis_store.integrations.langgraph.versions import next_version
from redis_store.store import RedisStore

with requires("langgraph"):
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        BaseCheckpointSaver,
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol

CACHE_BYTES = 64 * 2**20
_STRATEGIES = ("keep_latest", "delete")


class RedisSaver(BaseCheckpointSaver[str]):
    """Saves the state of graphs: ``builder.compile(checkpointer=RedisSaver(store))``.

    Each method and its blocking twin work in any thread and event loop, so one saver serves
    ``invoke`` and ``ainvoke``, on any server that the store knows.

    A value of 512 bytes or more is stored as its difference to the one before, if that is less than
    half of it: a step costs what it changed. When the differences come to half of a value, or to
    64, the server puts it together again, which takes it some 10 ms for 1 MB; larger values are
    sent whole then. Storing 10 MB whole, or reading it, keeps the server busy for some 40 ms.
    Values are compared as bytes, below the serializer. Those that a cipher makes are stored whole,
    and so are those whose versions ``get_next_version`` did not make.

    All of a thread is in one cluster slot, and each call changes it in one step, but for those that
    remove checkpoints one by one. Checkpoints are read from primaries only, whatever ``read_from``
    says: a graph that resumed from an old one would lose what came after it.

    Args:
        store: An open store, which stays the caller's.
        serde: The serializer; LangGraph's own by default. Whoever can write to the server decides
            what it reads, so a serializer with ``pickle_fallback`` runs their code.
        ttl: How long a thread lives after it was last written to; ``None`` is for ever.
        refresh_on_read: Whether reading it counts too.
        cache_bytes: How many bytes of values this process keeps, so that reading a thread again
            transfers only what others have changed; 0 keeps none, and stores all values whole.

    Raises:
        ConfigurationError: The arguments do not fit together.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        serde: SerializerProtocol | None = None,
        ttl: timedelta | None = None,
        refresh_on_read: bool = False,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        super().__init__(serde=serde)
        ttl_ms = _lifetime_ms(ttl)
        db = database_of(store)
        keys, cache = CheckpointKeys(db.keys), ValueCache(_cache_limit(cache_bytes))
        self._portal = portal_of(store)
        self._reads = CheckpointReads(db, keys, cache, ttl_ms if refresh_on_read else 0)
        self._writes = CheckpointWrites(db, keys, cache, ttl_ms)
        self._threads = ThreadChanges(db, keys, cache, self._reads, ttl_ms)

    @classmethod
    def from_conn_string(
        cls,
        url: str,
        *,
        serde: SerializerProtocol | None = None,
        ttl: timedelta | None = None,
        refresh_on_read: bool = False,
        cache_bytes: int = CACHE_BYTES,
        **options: Any,
    ) -> Opening[Self]:
        """Return what opens a store for a saver: ``with`` or ``async with``, ``as saver``.

        Args:
            url: The connection string: see ``RedisStore``.
            serde: See the class.
            ttl: See the class.
            refresh_on_read: See the class.
            cache_bytes: See the class.
            **options: Further arguments of ``RedisStore``.
        """
        store = RedisStore(url, **options)
        saver = cls(
            store, serde=serde, ttl=ttl, refresh_on_read=refresh_on_read, cache_bytes=cache_bytes
        )
        return Opening(store, saver)

    def setup(self) -> None:
        """Do nothing: no server needs to be prepared."""

    async def asetup(self) -> None:
        """Do nothing: no server needs to be prepared."""

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002
        """Return a version after the current one that no fork of the thread will have either."""
        return next_version(current)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read the checkpoint that a config names, or the newest: one round trip.

        What crosses the wire are values that this process has not seen, and no more.

        Raises:
            CorruptRecordError: It cannot be read.
        """
        place = tuples.place_of(config)
        stored = await self._reads.get(place)
        return None if stored is None else tuples.to_tuple(place.thread, stored, self.serde)

    def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Iterate over checkpoints, the newest first: two round trips, three with a filter.

        As many again for each hundred checkpoints, or each 4 MB of them.

        Args:
            config: Names the thread. Without a namespace, those of all its namespaces follow each
                other by their ids. ``None`` is all threads, the latest written first.
            filter: What their metadata must have.
            before: Those before this checkpoint only.
            limit: At most so many.

        Raises:
            CorruptRecordError: One cannot be read; those before it were returned.
        """
        if limit is not None:
            limit = max(0, check_int("limit", limit))
        selection = tuples.selection_of(config or {}, before, filter, self.serde)
        if config is None:
            return self._list_all(selection, limit)
        return self._list_thread(tuples.place_of(config).thread, selection, limit)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, all of it or nothing: one round trip.

        A value that is stored for a version of a channel is not replaced.

        Returns:
            The config that names the checkpoint.
        """
        new = tuples.new_checkpoint(config, checkpoint, metadata, new_versions, self.serde)
        await self._writes.put(new.place, new.record, new.values)
        return tuples.config_of(new.place)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote after a checkpoint: one round trip.

        A write that is there stays, but for errors, interrupts, and the like, which are replaced.
        """
        place = tuples.place_of(config)
        new = tuples.new_writes(writes, task_id, task_path, self.serde)
        await self._writes.put_writes(place, new)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread, at once: one round trip, two if its checkpoints have run ids."""
        await self._threads.delete(tuples.check_thread(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata have one of these run ids: five round trips.

        One more for each 500 of a thread. Stopped at any point, it goes on when called again. The
        server looks at all of a thread in one step: some 200 ms for 10,000 checkpoints.
        """
        runs = check_ids("run_ids", run_ids)
        if runs:
            await self._threads.delete_runs(runs)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Replace a thread by a copy of another, at once; if there is no such other, do nothing.

        One round trip; in the hash-tagged layout two, and the thread passes through this process,
        so the nodes must be of one version. One more if its checkpoints have run ids.
        """
        source = tuples.check_thread(source_thread_id)
        await self._threads.copy(source, tuples.check_thread(target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove the older checkpoints of threads: four round trips, however many threads.

        One more for each 500 checkpoints of a thread, and one where a ``DeltaChannel`` is put
        together from older checkpoints, which stay. Stopped at any point, it goes on when called
        again.

        Args:
            thread_ids: The threads.
            strategy: ``"keep_latest"`` of each namespace, or ``"delete"`` all.
        """
        check_choice("strategy", strategy, _STRATEGIES)
        threads = [tuples.check_thread(thread) for thread in thread_ids]
        if strategy == "delete":
            await asyncio.gather(*(self._threads.delete(thread) for thread in threads))
        else:
            await self._threads.keep_latest(
                threads, partial(tuples.open_channels, serde=self.serde)
            )

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Read what ``DeltaChannel`` values are put together from: one round trip."""
        if not channels:
            return {}
        _, found = await self._reads.history(tuples.place_of(config), channels)
        return {channel: tuples.to_history(each, self.serde) for channel, each in found.items()}

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Block for ``aget_tuple``."""
        return self._portal.call(partial(self.aget_tuple, config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Block for each item of ``alist``."""
        start = partial(self.alist, config, filter=filter, before=before, limit=limit)
        return iterate(self._portal, start)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Block for ``aput``."""
        return self._portal.call(partial(self.aput, config, checkpoint, metadata, new_versions))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Block for ``aput_writes``."""
        self._portal.call(partial(self.aput_writes, config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """Block for ``adelete_thread``."""
        self._portal.call(partial(self.adelete_thread, thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Block for ``adelete_for_runs``."""
        self._portal.call(partial(self.adelete_for_runs, run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Block for ``acopy_thread``."""
        self._portal.call(partial(self.acopy_thread, source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Block for ``aprune``."""
        self._portal.call(partial(self.aprune, thread_ids, strategy=strategy))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Block for ``aget_delta_channel_history``."""
        return self._portal.call(
            partial(self.aget_delta_channel_history, config=config, channels=channels)
        )

    async def _list_all(
        self, selection: Selection, limit: int | None
    ) -> AsyncIterator[CheckpointTuple]:
        left = limit
        for found in await self._reads.threads():
            if left == 0:
                return
            count = 0
            async for item in self._list_thread(found[1], selection, left):
                yield item
                count += 1
            if not count and not await self._reads.exists(found[1]):
                await self._reads.forget(found)
            left = None if left is None else left - count

    async def _list_thread(
        self, thread: str, selection: Selection, limit: int | None
    ) -> AsyncIterator[CheckpointTuple]:
        if limit == 0:
            return
        async for stored in self._reads.list_thread(thread, selection, limit):
            yield tuples.to_tuple(thread, stored, self.serde)


def _lifetime_ms(ttl: object) -> int:
    if ttl is None:
        return 0
    if not isinstance(ttl, timedelta) or ttl <= timedelta(0):
        raise invalid_setting("ttl", "must be a positive timedelta or None")
    return to_ms(ttl)


def _cache_limit(size: object) -> int:
    if not isinstance(size, int) or size < 0:
        raise invalid_setting("cache_bytes", "must be an int of 0 or more")
    return size


AsyncRedisSaver = RedisSaver
