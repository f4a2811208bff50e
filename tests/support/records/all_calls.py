"""Every call of every domain, maintenance included: what a server sees of a store in its life."""

from datetime import timedelta
from typing import Any

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from redis_store.maintenance import Retention
from tests.support.records import two_users as users
from tests.support.records.builders import message, thread
from tests.support.records.mastra_database import load
from tests.support.records.memory_calls import every_call, furnish
from tests.support.records.scores import saved, score
from tests.support.records.workflow_runs import persist, result
from tests.support.wire.raw import connect_raw

_DAY = timedelta(days=1)
_RETENTION = Retention(threads=_DAY, messages=_DAY, resources=_DAY, snapshots=_DAY, scores=_DAY)


async def use_everything(url: str, admin_url: str, **options: Any) -> None:
    """Make every call, on an empty database, which is empty afterwards.

    Args:
        url: Where, and as whom.
        admin_url: The same, as one who may do anything.
        **options: Of the store.
    """
    async with RedisStore(url, **options) as store:
        await _use_memory(store)
        await _use_workflows(store)
        await _use_scores(store)
        await _use_cache(store)
        await _use_exports(store)
        assert await store.ping()
    await _maintain(url, admin_url, options)
    async with RedisStore(url, thread_ttl=_DAY, **options) as store:
        await _keep_alive(store)
    async with RedisStore(url, indexes="scan", **options) as store:
        await _use_workflows(store)
        await _use_scores(store)
        await _use_exports(store)


async def _use_exports(store: RedisStore) -> None:
    """Export a user, and erase it."""
    await users.furnish(store, "ana")
    exported = [each async for each in store.export_resource("ana")]
    erased = await store.erase_resource("ana")
    assert erased == users.ALL
    assert len(exported) == users.total(users.ALL)
    await store.memory.dangerously_clear_all()
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()


async def _use_memory(store: RedisStore) -> None:
    for call in every_call().values():
        await furnish(store.memory)
        await call(store.memory)
    await store.memory.dangerously_clear_all()


async def _keep_alive(store: RedisStore) -> None:
    """Make the calls that refresh a thread's time to live."""
    await furnish(store.memory)
    reads = "get_thread_by_id", "get_or_create_thread, known", "list_messages"
    for name in (*reads, "update_thread", "pop_message", "clone_thread"):
        await every_call()[name](store.memory)
    await store.memory.dangerously_clear_all()


async def _use_workflows(store: RedisStore) -> None:
    workflows = store.workflows
    await persist(store, "r", resource_id="u")
    await persist(store, "r2")
    await result(store, "step", {"a": 1})
    await workflows.update_workflow_state("w", "r", {"status": "success"})
    assert await workflows.load_workflow_snapshot("w", "r") is not None
    assert await workflows.get_workflow_run_by_id("r", workflow_name="w") is not None
    assert await workflows.get_workflow_run_by_id("r") is not None
    assert (await workflows.list_workflow_runs()).total == 2
    assert (await workflows.list_workflow_runs(workflow_name="w", status="success")).items
    assert (await workflows.list_workflow_runs(resource_id="u")).items
    await workflows.delete_workflow_run_by_id("r", workflow_name="w")
    await workflows.dangerously_clear_all()


async def _use_scores(store: RedisStore) -> None:
    scores = store.scores
    await saved(store, score("a", trace_id="t", span_id="s"), score("b", 1), score("b", 2))
    assert await scores.get_score_by_id("a") is not None
    assert (await scores.list_scores_by_scorer_id("scorer", source="LIVE")).items
    assert (await scores.list_scores_by_run_id("run")).items
    assert (await scores.list_scores_by_entity_id("entity", entity_type="AGENT")).total == 0
    assert (await scores.list_scores_by_span("t", "s")).items
    await scores.dangerously_clear_all()


async def _use_cache(store: RedisStore) -> None:
    cache = store.cache
    await cache.set("value", 1)
    await cache.set("for ever", 1, ttl=None)
    assert await cache.get("value") == 1
    await cache.list_push("list", 1)
    assert await cache.list_length("list") == len(await cache.list_from_to("list", 0)) == 1
    assert await cache.increment("counter") == 1
    assert await cache.list_push_indexed("indexed", "its counter", {"a": 1}) == 0
    await cache.delete("value")
    await cache.clear()


async def _maintain(url: str, admin_url: str, options: dict[str, Any]) -> None:
    """Adopt what another writer stored, mend damage, and remove what is old."""
    async with connect_raw(admin_url) as raw, RedisStore(admin_url, **options) as known:
        keys = Keys(options.get("key_prefix", ""), hash_tags=known.topology == "cluster")
        if "hash_tags" in options:
            keys = Keys(keys.prefix, hash_tags=options["hash_tags"])
        await load(raw, keys)
        async with RedisStore(url, retention=_RETENTION, **options) as store:
            await store.reindex()
            await store.memory.save_thread(thread("damaged"))
            await store.memory.save_messages([message("m", thread_id="damaged")])
            # An order, an id index, counts of resource ids: all that a thread has but itself.
            await raw("DEL", keys.timeline("damaged"))
            await raw("DEL", keys.message_pointer("m"))
            await raw("HSET", keys.resource_counts("damaged"), "nobody", 5)
            await raw("ZADD", keys.timeline("ghost"), 1, "x")
            assert (await store.verify(repair=True)).repaired
            assert (await store.verify()).ok
            await store.prune()
            await store.memory.dangerously_clear_all()
            await store.workflows.dangerously_clear_all()
            await store.scores.dangerously_clear_all()
        await raw("DEL", keys.marker())
        assert await raw.keys(keys.prefix) == []
