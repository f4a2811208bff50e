# Written by tests/support/sync_stub.py: change that, or the classes it reads.

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self, TypeAlias, Unpack, overload

from msgspec import UnsetType

from redis_store import RedisStore
from redis_store._connections.addresses import Topology
from redis_store.maintenance import Erased, Progress, Pruned, Report
from redis_store.memory.clones import CloneOptions
from redis_store.models import (
    ClonedThread,
    CopiedThread,
    Message,
    MessagePatch,
    Record,
    Resource,
    Score,
    Thread,
    WorkflowRun,
)
from redis_store.pages import DateRange, Direction, Include, Page, ThreadOrder

class SyncMemoryStore:
    def dangerously_clear_all(self) -> None: ...
    def get_thread_by_id(
        self, thread_id: str, *, resource_id: str | None = ...
    ) -> Thread | None: ...
    def save_thread(self, thread: Thread) -> Thread: ...
    def create_thread(self, thread: Thread) -> Thread: ...
    def get_or_create_thread(self, thread: Thread) -> Thread: ...
    def update_thread(
        self,
        thread_id: str,
        *,
        title: str | UnsetType | None = ...,
        metadata: dict[str, Any] | UnsetType = ...,
    ) -> Thread: ...
    def update_thread_metadata(
        self,
        thread_id: str,
        update: Callable[[Thread], dict[str, Any] | None],
        *,
        resource_id: str | None = ...,
    ) -> Thread | None: ...
    def update_thread_resource_id(self, thread_id: str, resource_id: str) -> Thread: ...
    def delete_thread(self, thread_id: str) -> None: ...
    def delete_thread_if(self, thread_id: str, due: Callable[[Thread], bool]) -> bool: ...
    def get_threads_by_id(
        self, thread_ids: Sequence[str], *, resource_id: str | None = ...
    ) -> dict[str, Thread]: ...
    def list_threads(
        self,
        *,
        resource_id: str | None = ...,
        metadata: dict[str, Any] | None = ...,
        page: int = ...,
        per_page: int | None = ...,
        order_by: ThreadOrder = ...,
        direction: Direction = ...,
        before: str | None = ...,
        after: str | None = ...,
    ) -> Page[Thread]: ...
    def list_threads_by_resource_id(
        self,
        resource_id: str,
        *,
        metadata: dict[str, Any] | None = ...,
        page: int = ...,
        per_page: int | None = ...,
        order_by: ThreadOrder = ...,
        direction: Direction = ...,
        before: str | None = ...,
        after: str | None = ...,
    ) -> Page[Thread]: ...
    def list_messages(
        self,
        thread_id: str | Sequence[str],
        *,
        resource_id: str | None = ...,
        page: int = ...,
        per_page: int | None = ...,
        direction: Direction = ...,
        date_range: DateRange | None = ...,
        metadata: dict[str, Any] | None = ...,
        include: Sequence[Include] = ...,
        include_total: bool = ...,
        before: str | None = ...,
        after: str | None = ...,
    ) -> Page[Message]: ...
    def list_messages_by_resource_id(
        self,
        resource_id: str,
        *,
        page: int = ...,
        per_page: int | None = ...,
        direction: Direction = ...,
        date_range: DateRange | None = ...,
        metadata: dict[str, Any] | None = ...,
        include: Sequence[Include] = ...,
        include_total: bool = ...,
    ) -> Page[Message]: ...
    def list_messages_by_id(self, message_ids: Sequence[str]) -> list[Message]: ...
    def iter_messages(
        self, thread_id: str, *, direction: Direction = ..., batch_size: int = ...
    ) -> Iterator[Message]: ...
    def save_messages(
        self, messages: Sequence[Message], *, create_thread: bool = ...
    ) -> list[Message]: ...
    def update_messages(self, patches: Sequence[MessagePatch]) -> list[Message]: ...
    def delete_messages(self, message_ids: Sequence[str]) -> int: ...
    def pop_message(self, thread_id: str) -> Message | None: ...
    def clone_thread(
        self, source_thread_id: str, **options: Unpack[CloneOptions]
    ) -> ClonedThread: ...
    def copy_thread(
        self, source_thread_id: str, **options: Unpack[CloneOptions]
    ) -> CopiedThread: ...
    def get_resource_by_id(self, resource_id: str) -> Resource | None: ...
    def get_resources_by_id(self, resource_ids: Sequence[str]) -> dict[str, Resource]: ...
    def save_resource(self, resource: Resource) -> Resource: ...
    def update_resource(
        self,
        resource_id: str,
        *,
        working_memory: str | UnsetType | None = ...,
        metadata: dict[str, Any] | UnsetType = ...,
    ) -> Resource: ...
    def merge_working_memory(
        self, resource_id: str, merge: Callable[[str | None], str]
    ) -> Resource: ...
    def delete_resource(self, resource_id: str) -> None: ...

class SyncWorkflowStore:
    @property
    def supports_concurrent_updates(self) -> bool: ...
    def persist_workflow_snapshot(
        self,
        workflow_name: str,
        run_id: str,
        snapshot: dict[str, Any],
        *,
        resource_id: str | None = ...,
        created_at: datetime | None = ...,
        updated_at: datetime | None = ...,
        namespace: str = ...,
    ) -> None: ...
    def load_workflow_snapshot(
        self, workflow_name: str, run_id: str, *, namespace: str = ...
    ) -> dict[str, Any] | None: ...
    def update_workflow_results(
        self,
        workflow_name: str,
        run_id: str,
        *,
        step_id: str,
        result: Any,
        request_context: dict[str, Any] | None = ...,
    ) -> dict[str, Any]: ...
    def update_workflow_state(
        self,
        workflow_name: str,
        run_id: str,
        state: dict[str, Any],
        *,
        expected_status: str | Collection[str] | None = ...,
    ) -> dict[str, Any] | None: ...
    def get_workflow_run_by_id(
        self, run_id: str, *, workflow_name: str | None = ...
    ) -> WorkflowRun | None: ...
    def list_workflow_runs(
        self,
        *,
        workflow_name: str | None = ...,
        resource_id: str | None = ...,
        status: str | None = ...,
        from_date: datetime | None = ...,
        to_date: datetime | None = ...,
        page: int = ...,
        per_page: int | None = ...,
    ) -> Page[WorkflowRun]: ...
    def delete_workflow_run_by_id(self, run_id: str, *, workflow_name: str) -> None: ...
    def dangerously_clear_all(self) -> None: ...

class SyncScoreStore:
    def save_score(self, score: Score) -> Score: ...
    def get_score_by_id(self, id: str) -> Score | None: ...
    def list_scores_by_scorer_id(
        self,
        scorer_id: str,
        *,
        entity_id: str | None = ...,
        entity_type: str | None = ...,
        source: str | None = ...,
        organization_id: str | None = ...,
        project_id: str | None = ...,
        page: int = ...,
        per_page: int | None = ...,
    ) -> Page[Score]: ...
    def list_scores_by_run_id(
        self,
        run_id: str,
        *,
        organization_id: str | None = ...,
        project_id: str | None = ...,
        page: int = ...,
        per_page: int | None = ...,
    ) -> Page[Score]: ...
    def list_scores_by_entity_id(
        self,
        entity_id: str,
        *,
        entity_type: str | None = ...,
        organization_id: str | None = ...,
        project_id: str | None = ...,
        page: int = ...,
        per_page: int | None = ...,
    ) -> Page[Score]: ...
    def list_scores_by_span(
        self,
        trace_id: str,
        span_id: str,
        *,
        organization_id: str | None = ...,
        project_id: str | None = ...,
        page: int = ...,
        per_page: int | None = ...,
    ) -> Page[Score]: ...
    def dangerously_clear_all(self) -> None: ...

class SyncCacheStore:
    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any, *, ttl: timedelta | UnsetType | None = ...) -> None: ...
    def list_push(self, key: str, value: Any) -> int: ...
    def list_length(self, key: str) -> int: ...
    def list_from_to(self, key: str, start: int, stop: int = ...) -> list[Any]: ...
    def delete(self, key: str) -> None: ...
    def clear(self) -> None: ...
    def increment(self, key: str) -> int: ...
    def list_push_indexed(self, list_key: str, counter_key: str, value: dict[str, Any]) -> int: ...

class SyncRedisStore:
    id: str
    indexes: Literal["managed", "scan"]
    memory: SyncMemoryStore
    workflows: SyncWorkflowStore
    scores: SyncScoreStore
    cache: SyncCacheStore
    def __init__(self, store: RedisStore) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...
    @overload
    def get_store(self, name: Literal["memory"]) -> SyncMemoryStore: ...
    @overload
    def get_store(self, name: Literal["workflows"]) -> SyncWorkflowStore: ...
    @overload
    def get_store(self, name: Literal["scores"]) -> SyncScoreStore: ...
    @overload
    def get_store(self, name: Literal["cache"]) -> SyncCacheStore: ...
    @overload
    def get_store(self, name: str) -> SyncDomain | None: ...
    def close(self) -> None: ...
    @property
    def topology(self) -> Topology: ...
    def init(self) -> None: ...
    def reindex(self, progress: Callable[[Progress], object] | None = ...) -> None: ...
    def verify(self, *, repair: bool = ...) -> Report: ...
    def prune(
        self, *, max_batches: int | None = ..., progress: Callable[[Progress], object] | None = ...
    ) -> list[Pruned]: ...
    def erase_resource(
        self, resource_id: str, *, progress: Callable[[Progress], object] | None = ...
    ) -> Erased: ...
    def export_resource(self, resource_id: str) -> Iterator[Record]: ...
    def dangerously_clear_integrations(self, name: str | None = ...) -> None: ...
    def ping(self) -> bool: ...

SyncDomain: TypeAlias = SyncMemoryStore | SyncWorkflowStore | SyncScoreStore | SyncCacheStore
