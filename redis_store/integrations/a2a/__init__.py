"""A2A: ``RedisTaskStore`` and ``RedisPushNotificationConfigStore`` for a server of the A2A SDK.

``task_store`` and ``push_configs`` speak the SDK's types; ``task_order`` says where a task is in
listings.
"""

from redis_store.integrations._document_maintenance import Kind, integration
from redis_store.integrations.a2a.push_configs import (
    RedisPushNotificationConfigStore,
    export_configs,
    push_documents,
)
from redis_store.integrations.a2a.task_order import NAME
from redis_store.integrations.a2a.task_store import RedisTaskStore, export_task, task_documents
from redis_store.maintenance import register

_KINDS = [
    Kind("task", task_documents, export_task),
    Kind("push_configs", push_documents, export_configs),
]

register(integration(NAME, _KINDS, owned=True))

__all__ = ["RedisPushNotificationConfigStore", "RedisTaskStore"]
