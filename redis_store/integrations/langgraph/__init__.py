"""LangGraph: checkpoints of graphs, and long-term memory, in Redis, Sentinel or Cluster.

::

    with RedisSaver.from_conn_string("redis://localhost") as saver:  # or: async with
        graph = builder.compile(checkpointer=saver)
        graph.invoke(inputs, {"configurable": {"thread_id": "t1"}})

A step costs what it changed, not what the state holds: see ``RedisSaver``. What agents remember
across threads is in a ``RedisBaseStore``.
"""

from redis_store.integrations.langgraph import checkpoint_maintenance, item_maintenance
from redis_store.integrations.langgraph.base_store import RedisBaseStore
from redis_store.integrations.langgraph.saver import AsyncRedisSaver, RedisSaver
from redis_store.maintenance import register

register(checkpoint_maintenance.INTEGRATION)
register(item_maintenance.INTEGRATION)

__all__ = ["AsyncRedisSaver", "RedisBaseStore", "RedisSaver"]
