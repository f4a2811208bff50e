"""MCP: ``RedisEventStore``, from which streams resume, and ``RedisKeyValue``, for FastMCP.

::

    manager = StreamableHTTPSessionManager(app, event_store=RedisEventStore(store))
    proxy = OAuthProxy(..., client_storage=RedisKeyValue(store))
"""

from redis_store.integrations.mcp.event_store import RedisEventStore
from redis_store.integrations.mcp.key_value import RedisKeyValue

__all__ = ["RedisEventStore", "RedisKeyValue"]
