"""LangGraph: checkpoints of graphs, and long-term memory, in Redis, Sentinel or Cluster.

::

    with RedisSaver.from_conn_string("redis://localhost") as saver:  # or: async with
        graph = builder.compile(checkpointer=saver)
        graph.invoke(inputs, {"configurable": {"thread_id": "t1"}})

A step costs what it changed, not what the state holds: see ``RedisSaver``. What agents remember
across threads is in a ``RedisBaseStore``.

``erase_resource`` and ``export_resource`` leave checkpoints out, as nothing says for sure whose a
thread is: a ``user_id`` of the config is in the metadata of the checkpoints of that call only, not
in those of ``update_state`` or of a call without it, and one thread may have several. Where your
calls name it, this finds a user's threads, and reads all checkpoints for it::

    found = saver.alist(None, filter={"user_id": "ana"})
    for thread in {each.config["configurable"]["thread_id"] async for each in found}:
        await saver.adelete_thread(thread)
"""

from redis_store.integrations.langgraph import checkpoint_maintenance, item_maintenance
from redis_store.integrations.langgraph.base_store import RedisBaseStore
from redis_store.integrations.langgraph.saver import AsyncRedisSaver, RedisSaver
from redis_store.maintenance import register

register(checkpoint_maintenance.INTEGRATION)
register(item_maintenance.INTEGRATION)

__all__ = ["AsyncRedisSaver", "RedisBaseStore", "RedisSaver"]
