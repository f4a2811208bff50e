"""MCP: ``RedisEventStore``, from which streams resume, and ``RedisKeyValue``, for FastMCP.

::

    manager = StreamableHTTPSessionManager(app, event_store=RedisEventStore(store))
    proxy = OAuthProxy(..., client_storage=RedisKeyValue(store))
"""

from redis_store.integrations.mcp.event_store import RedisEventStore
from redis_store.integrations.mcp.key_value import RedisKeyValue
from redis_store.integrations.mcp.maintenance import INTEGRATION
from redis_store.maintenance import register

register(INTEGRATION)

__all__ = ["RedisEventStore", "RedisKeyValue"]
