"""RedisCheckpointStorage: checkpoints of workflows, as documents."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from redis_store._engine.arguments import check_id, check_instance, check_ttl
from redis_store._engine.hash_indexes import Id, IndexEntry
from redis_store._engine.operations import named
from redis_store._engine.timestamps import epoch_us
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.agent_framework.stored_documents import CHECKPOINT, StoredDocuments
from redis_store.store import RedisStore

with requires("agent-framework"):
    from agent_framework import WorkflowCheckpoint
    from agent_framework._workflows._checkpoint_encoding import (
        decode_checkpoint_value,
        encode_checkpoint_value,
    )
    from agent_framework.exceptions import WorkflowCheckpointException

_SHORTEST = timedelta(milliseconds=1)


class RedisCheckpointStorage:
    """Checkpoints of Microsoft's Agent Framework in Redis, for workflows resumed on any machine.

    ::

        storage = RedisCheckpointStorage(store, allowed_checkpoint_types=["my_app:State"])
        workflow = WorkflowBuilder(start_executor=first, checkpoint_storage=storage).build()

    A checkpoint is stored as the framework's ``FileCheckpointStorage`` writes it: JSON, with
    pickles of what JSON lacks. Saving and loading are one round trip each, the newest of a
    workflow two, whatever the number of checkpoints.

    A checkpoint may hold pickles, and whoever can write to the database decides what is unpickled:
    only types of the framework, safe ones of Python, and those allowed here. Checkpoints with
    others are refused when they are saved, and when they are read.

    What the protocol makes impossible: it names neither a run nor who owns it, so a user's
    checkpoints are told by ``user`` alone. A checkpoint saved again replaces the one of its id,
    whoever saved that.

    ``store.erase_resource(user)`` removes a user's checkpoints, and ``export_resource`` returns
    them; ``Retention(integrations=…)`` removes old ones. Errors of the server are those of
    ``redis_store``.

    Args:
        store: An open store, shared by any number of storages. It is not closed here.
        user: Who owns the checkpoints: those of others are not found.
        allowed_checkpoint_types: More types that may be read, each as ``"module:qualname"``.
        ttl: How long a checkpoint lives after it was last saved or read; ``None`` is for ever.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        user: str = "default",
        allowed_checkpoint_types: Iterable[str] = (),
        ttl: timedelta | None = None,
    ) -> None:
        check_instance("store", store, RedisStore)
        check_ttl("ttl", ttl)
        if ttl is not None and ttl < _SHORTEST:
            raise InvalidArgumentError("ttl", "must be a millisecond or more", ttl)
        self._user = check_id("user", user)
        self._allowed = frozenset(allowed_checkpoint_types)
        self._documents = StoredDocuments(database_of(store), CHECKPOINT, ttl)

    async def save(self, checkpoint: WorkflowCheckpoint) -> str:
        """Store a checkpoint, and return its id. One round trip.

        Raises:
            WorkflowCheckpointException: It has a type that is not allowed, or cannot be encoded.
                Nothing was stored.
            InvalidArgumentError: Its id, workflow or timestamp is none. Nothing was stored.
        """
        with named("save"):
            check_id("checkpoint_id", checkpoint.checkpoint_id)
            index = self._index(checkpoint.workflow_name)
            entry = IndexEntry(index, _epoch_us(checkpoint.timestamp))
        body = self._encoded(checkpoint)
        await self._documents.put(self._user, checkpoint.checkpoint_id, body, [entry])
        return checkpoint.checkpoint_id

    async def load(self, checkpoint_id: str) -> WorkflowCheckpoint:
        """Read a checkpoint. One round trip.

        Raises:
            WorkflowCheckpointException: There is none, or it has a type that is not allowed.
        """
        found = await self._documents.get(self._user, checkpoint_id)
        if found is None:
            raise WorkflowCheckpointException(f"No checkpoint found with ID {checkpoint_id}")
        return self._decoded(checkpoint_id, found)

    async def list_checkpoints(self, *, workflow_name: str) -> list[WorkflowCheckpoint]:
        """List the checkpoints of a workflow, the oldest first. Two round trips.

        Raises:
            WorkflowCheckpointException: One has a type that is not allowed.
        """
        found = await self._documents.list_by(self._index(workflow_name))
        return [self._decoded(*each) for each in found]

    async def delete(self, checkpoint_id: str) -> bool:
        """Delete a checkpoint; return whether there was one. Two round trips (four hash-tagged)."""
        return await self._documents.delete(self._user, checkpoint_id)

    async def get_latest(self, *, workflow_name: str) -> WorkflowCheckpoint | None:
        """Read the newest checkpoint of a workflow; ``None`` if it has none. Two round trips.

        Raises:
            WorkflowCheckpointException: It has a type that is not allowed.
        """
        found = await self._documents.newest(self._index(workflow_name))
        return None if found is None else self._decoded(*found)

    async def list_checkpoint_ids(self, *, workflow_name: str) -> list[str]:
        """List the ids of a workflow's checkpoints, the oldest first. Two round trips."""
        return await self._documents.list_ids(self._index(workflow_name))

    def _index(self, workflow_name: str) -> Id:
        return ("workflow", self._user, check_id("workflow_name", workflow_name))

    def _encoded(self, checkpoint: WorkflowCheckpoint) -> bytes:
        try:
            encoded = encode_checkpoint_value(checkpoint.to_dict())
            # What could not be read would be found out when it is needed.
            decode_checkpoint_value(encoded, allowed_types=self._allowed)
            return json.dumps(encoded, separators=(",", ":")).encode()
        except WorkflowCheckpointException:
            raise
        except Exception as exc:
            why = f"Checkpoint {checkpoint.checkpoint_id} cannot be encoded: {exc}"
            raise WorkflowCheckpointException(why) from exc

    def _decoded(self, id: str, stored: bytes) -> WorkflowCheckpoint:
        try:
            encoded = json.loads(stored)
        except ValueError as exc:
            key = self._documents.documents.indexes.record((self._user, id))
            raise CorruptRecordError(key, f"it holds no JSON: {exc}") from exc
        decoded = decode_checkpoint_value(encoded, allowed_types=self._allowed)
        return WorkflowCheckpoint.from_dict(decoded)


def _epoch_us(timestamp: str) -> int:
    try:
        # One without a time zone is in that of this machine, as the framework compares them.
        return epoch_us(datetime.fromisoformat(timestamp).astimezone())
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidArgumentError("timestamp", "must be an ISO 8601 time", timestamp) from exc
