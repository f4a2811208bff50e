"""Claude Agent SDK: ``RedisSessionStore``, the ``session_store`` of its options.

``session_store`` speaks the SDK's types; ``stored_sessions`` stores what it is given, and needs
none of them; ``maintenance`` tells ``verify``, ``prune``, ``erase_resource`` and
``export_resource`` about it.
"""

from redis_store.integrations.claude_agent_sdk import maintenance
from redis_store.integrations.claude_agent_sdk.session_store import RedisSessionStore

maintenance.register()

__all__ = ["RedisSessionStore"]
