"""Checkpoints between LangGraph, which knows configs and objects, and what is stored."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis_store._engine.arguments import check_id
from redis_store.errors import InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.langgraph.arguments import check_part
from redis_store.integrations.langgraph.checkpoint_keys import Place
from redis_store.integrations.langgraph.checkpoint_reads import ChannelHistory, Selection
from redis_store.integrations.langgraph.checkpoint_writes import NewValue
from redis_store.integrations.langgraph.records import (
    CheckpointRecord,
    StoredCheckpoint,
    Typed,
    WriteRecord,
    corrupt,
)
from redis_store.integrations.langgraph.versions import is_unique

with requires("langgraph"):
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        WRITES_IDX_MAP,
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
        PendingWrite,
        get_serializable_checkpoint_metadata,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol


def check_thread(value: object) -> str:
    """Return a thread id, which may be given as an int or a UUID as well."""
    return check_id("thread_id", value if isinstance(value, str) else str(value))


def place_of(config: RunnableConfig) -> Place:
    """Return the place that a config names.

    Raises:
        InvalidArgumentError: It names no thread, or an id cannot be stored.
    """
    configurable = _configurable(config)
    if "thread_id" not in configurable:
        raise InvalidArgumentError("config", "must have configurable.thread_id", configurable)
    return Place(
        check_thread(configurable["thread_id"]),
        check_part("checkpoint_ns", configurable.get("checkpoint_ns") or ""),
        check_part("checkpoint_id", configurable.get("checkpoint_id") or ""),
    )


def config_of(place: Place) -> RunnableConfig:
    """Return the config that names a place."""
    thread, namespace, id_ = place
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": id_}}


def selection_of(
    config: RunnableConfig,
    before: RunnableConfig | None,
    filter_: Mapping[str, Any] | None,
    serde: SerializerProtocol,
) -> Selection:
    """Return what ``list`` is asked for of one thread."""
    configurable = _configurable(config)
    namespace = configurable.get("checkpoint_ns")
    until = _configurable(before or {}).get("checkpoint_id")

    def wanted(record: CheckpointRecord) -> bool:
        metadata = serde.loads_typed(record.metadata)
        return all(metadata.get(key) == value for key, value in (filter_ or {}).items())

    return Selection(
        namespace=None if namespace is None else check_part("checkpoint_ns", namespace),
        id=check_part("checkpoint_id", configurable.get("checkpoint_id") or ""),
        before=check_part("before", until or ""),
        wanted=wanted if filter_ else None,
    )


class NewCheckpoint(NamedTuple):
    """A checkpoint that is to be stored."""

    place: Place
    record: CheckpointRecord
    values: list[NewValue]


def new_checkpoint(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    serde: SerializerProtocol,
) -> NewCheckpoint:
    """Serialize a checkpoint, and the values of its channels that have new versions.

    Raises:
        InvalidArgumentError: An id cannot be stored.
    """
    thread, namespace, parent = place_of(config)
    checked = get_serializable_checkpoint_metadata(config, metadata)
    body = {key: value for key, value in checkpoint.items() if key != "channel_values"}
    versions = checkpoint["channel_versions"]
    record = CheckpointRecord(
        parent=parent,
        versions=[_version(channel, version) for channel, version in versions.items()],
        run=str(checked.get("run_id") or ""),
        metadata=serde.dumps_typed(checked),
        body=serde.dumps_typed(body),
    )
    values = checkpoint["channel_values"]
    new = [
        _new_value(channel, version, serde.dumps_typed(values[channel]))
        for channel, version in new_versions.items()
        if channel in values
    ]
    place = Place(thread, namespace, check_part("checkpoint_id", checkpoint["id"]))
    return NewCheckpoint(place, record, new)


def new_writes(
    writes: Sequence[tuple[str, Any]], task_id: str, task_path: str, serde: SerializerProtocol
) -> list[WriteRecord]:
    """Serialize writes of a task."""
    task = check_part("task_id", task_id)
    return [
        WriteRecord(
            task_path,
            task,
            WRITES_IDX_MAP.get(channel, index),
            channel,
            serde.dumps_typed(value),
        )
        for index, (channel, value) in enumerate(writes)
    ]


def open_channels(record: CheckpointRecord, serde: SerializerProtocol) -> list[str]:
    """Return the channels whose values are put together from writes to ancestors."""
    return list(serde.loads_typed(record.metadata).get("counters_since_delta_snapshot") or ())


def to_tuple(thread: str, stored: StoredCheckpoint, serde: SerializerProtocol) -> CheckpointTuple:
    """Return a checkpoint as LangGraph knows it.

    Raises:
        CorruptRecordError: The serializer does not read it.
    """
    place, record = Place(thread, stored.namespace, stored.id), stored.record
    with corrupt(stored.key):
        values = {
            channel: serde.loads_typed(_typed(value.data))
            for channel, value in stored.values.items()
        }
        return CheckpointTuple(
            config=config_of(place),
            checkpoint=cast(
                "Checkpoint", {**serde.loads_typed(record.body), "channel_values": values}
            ),
            metadata=serde.loads_typed(record.metadata),
            parent_config=config_of(place._replace(id=record.parent)) if record.parent else None,
            pending_writes=_pending(stored.writes, serde),
        )


def to_history(found: ChannelHistory, serde: SerializerProtocol) -> DeltaChannelHistory:
    """Return what a channel became as LangGraph knows it."""
    history: DeltaChannelHistory = {"writes": _pending(found.writes, serde)}
    if found.seed is not None:
        history["seed"] = serde.loads_typed(_typed(found.seed.data))
    return history


def _pending(writes: Sequence[WriteRecord], serde: SerializerProtocol) -> list[PendingWrite]:
    return [(each.task, each.channel, serde.loads_typed(each.value)) for each in writes]


def _configurable(config: RunnableConfig) -> dict[str, Any]:
    return config.get("configurable") or {}


def _new_value(channel: str, version: object, typed: Typed) -> NewValue:
    kind, data = typed
    # A cipher adds its name to the type: "msgpack+aes". Equal texts have different ciphertexts.
    is_plain = "+" not in kind
    return NewValue(
        channel, str(version), b"%b\0%b" % (kind.encode(), data), is_unique(version), is_plain
    )


def _typed(data: bytes) -> Typed:
    kind, _, body = data.partition(b"\0")
    return kind.decode(), body


def _version(channel: str, version: object) -> str:
    return f"{check_part('channel', channel)}\0{version}"
