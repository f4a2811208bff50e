"""LangGraph: checkpoints of graphs in Redis, Sentinel or Cluster, for any graph as it is.

::

    with RedisSaver.from_conn_string("redis://localhost") as saver:  # or: async with
        graph = builder.compile(checkpointer=saver)
        graph.invoke(inputs, {"configurable": {"thread_id": "t1"}})

A step costs what it changed, not what the state holds: see ``RedisSaver``.
"""

from redis_store.integrations.langgraph.checkpoint_maintenance import INTEGRATION
from redis_store.integrations.langgraph.saver import AsyncRedisSaver, RedisSaver
from redis_store.maintenance import register

register(INTEGRATION)

__all__ = ["AsyncRedisSaver", "RedisSaver"]
