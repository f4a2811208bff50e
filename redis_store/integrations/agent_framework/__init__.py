"""Microsoft Agent Framework: histories, checkpoints of workflows, and sessions.

``history_provider``, ``checkpoint_storage`` and ``session_store`` speak the framework's types;
``stored_history`` and ``stored_documents`` store what they are given, and need none of them;
``maintenance`` tells ``verify``, ``prune``, ``erase_resource`` and ``export_resource`` about it.
"""

from typing import TYPE_CHECKING, Any

from redis_store.integrations.agent_framework import maintenance
from redis_store.integrations.agent_framework.checkpoint_storage import RedisCheckpointStorage
from redis_store.integrations.agent_framework.history_provider import RedisHistoryProvider

if TYPE_CHECKING:
    from redis_store.integrations.agent_framework.session_store import RedisSessionStore

maintenance.register()

__all__ = ["RedisCheckpointStorage", "RedisHistoryProvider", "RedisSessionStore"]


def __getattr__(name: str) -> Any:
    # Only who uses it gets the framework's warning that its interface is experimental.
    if name != "RedisSessionStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from redis_store.integrations.agent_framework import session_store  # noqa: PLC0415

    return session_store.RedisSessionStore
