"""Pydantic AI: ``RedisConversationStore``, a store of conversations as logs of messages.

``conversation_store`` speaks the framework's types; ``stored_conversations`` stores what it is
given, and needs none of them; ``maintenance`` tells ``verify``, ``prune``, ``erase_resource`` and
``export_resource`` about it.
"""

from redis_store.integrations.pydantic_ai import maintenance
from redis_store.integrations.pydantic_ai.conversation_store import RedisConversationStore

maintenance.register()

__all__ = ["RedisConversationStore"]
