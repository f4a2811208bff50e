"""Storage for AI agents in Redis: the Python counterpart of Mastra's RedisStore."""

from redis_store._sync_turns import SyncMemory
from redis_store._turn import Turn
from redis_store.cache import CacheStore
from redis_store.embedded import EmbeddedServer
from redis_store.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConcurrentUpdateError,
    ConfigurationError,
    ConflictError,
    CorruptRecordError,
    InvalidArgumentError,
    NotFoundError,
    RedisStoreError,
    ReplicationError,
    StoreClosedError,
    ThreadExistsError,
    ThreadNotFoundError,
)
from redis_store.maintenance import Erased, Finding, Progress, Pruned, Report, Retention
from redis_store.memory import MemoryStore
from redis_store.models import (
    ClonedThread,
    CopiedThread,
    IntegrationRecord,
    Message,
    MessagePatch,
    Resource,
    Score,
    Thread,
    WorkflowRun,
)
from redis_store.pages import DateRange, Include, Page
from redis_store.scores import ScoreStore
from redis_store.store import RedisStore
from redis_store.sync import SyncRedisStore
from redis_store.turns import Memory
from redis_store.workflows import WorkflowStore

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "CacheStore",
    "ClonedThread",
    "ConcurrentUpdateError",
    "ConfigurationError",
    "ConflictError",
    "CopiedThread",
    "CorruptRecordError",
    "DateRange",
    "EmbeddedServer",
    "Erased",
    "Finding",
    "Include",
    "IntegrationRecord",
    "InvalidArgumentError",
    "Memory",
    "MemoryStore",
    "Message",
    "MessagePatch",
    "NotFoundError",
    "Page",
    "Progress",
    "Pruned",
    "RedisStore",
    "RedisStoreError",
    "ReplicationError",
    "Report",
    "Resource",
    "Retention",
    "Score",
    "ScoreStore",
    "StoreClosedError",
    "SyncMemory",
    "SyncRedisStore",
    "Thread",
    "ThreadExistsError",
    "ThreadNotFoundError",
    "Turn",
    "WorkflowRun",
    "WorkflowStore",
]
