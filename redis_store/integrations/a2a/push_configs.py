"""RedisPushNotificationConfigStore: whom an A2A server notifies of a task."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from redis_store._engine import clock
from redis_store._engine.arguments import check_id, check_instance, check_ttl
from redis_store._engine.database import Database
from redis_store._engine.documents import MISSING, Documents
from redis_store._engine.hash_indexes import Id, IndexEntry
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.operations import named
from redis_store._engine.timestamps import epoch_us
from redis_store._parts import database_of
from redis_store.errors import ConcurrentUpdateError, CorruptRecordError
from redis_store.integrations._document_maintenance import OWNER, UPDATED
from redis_store.integrations._extras import requires
from redis_store.integrations.a2a.task_order import NAME
from redis_store.store import RedisStore

with requires("a2a"):
    from a2a.server.context import ServerCallContext
    from a2a.server.owner_resolver import OwnerResolver, resolve_user_scope
    from a2a.server.tasks.push_notification_config_store import (
        PushNotificationConfigStore,
        normalize_push_notification_config,
    )
    from a2a.types.a2a_pb2 import TaskPushNotificationConfig
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

_TASK = "task"
# Writers of one owner's configurations of one task that may come first.
_ATTEMPTS = 100

Config = TaskPushNotificationConfig
Change = Callable[[list[Config]], list[Config]]


def push_documents(db: Database, ttl: timedelta | None = None) -> Documents:
    """Return the documents that an owner's configurations of a task are: (owner, task id)."""
    return Documents(db, IntegrationKeys(db.keys, NAME), "push", ttl=ttl)


def export_configs(_: Id, body: bytes) -> Any:
    """Return configurations as JSON, without what authenticates the server at the client."""
    exported = [MessageToDict(config) for config in _decode(body)]
    return [
        {name: value for name, value in each.items() if name not in ("token", "authentication")}
        for each in exported
    ]


class RedisPushNotificationConfigStore(PushNotificationConfigStore):
    """Keeps whom an A2A server notifies of a task; owners as in ``RedisTaskStore``.

    Configurations hold tokens and credentials of clients, and are stored as they are: whoever reads
    the database reads them. Exports leave them out.

    Args:
        store: An open store. It is not closed here.
        owner_resolver: Returns the owner of a call's configurations: by default, the user's name.
        ttl: How long those of a task live after they were last set or read; ``None`` is for ever.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        owner_resolver: OwnerResolver = resolve_user_scope,
        ttl: timedelta | None = None,
    ) -> None:
        check_ttl("ttl", ttl)
        self._db = database_of(check_instance("store", store, RedisStore))
        self._configs = push_documents(self._db, ttl)
        self._owner_of = owner_resolver

    async def set_info(
        self, task_id: str, notification_config: Config, context: ServerCallContext
    ) -> Config:
        """Store a configuration of a task; it replaces the owner's one of the same id.

        Two round trips, two more for each concurrent writer of the same task that comes first.

        Returns:
            What is stored: with the task's id, which is the id of one without its own.
        """
        with named("set_info"):
            check_id("task_id", task_id)
        given = normalize_push_notification_config(task_id, notification_config)

        def change(configs: list[Config]) -> list[Config]:
            return [*(each for each in configs if each.id != given.id), given]

        await self._change((self._owner_of(context), task_id), change)
        return given

    async def get_info(self, task_id: str, context: ServerCallContext) -> list[Config]:
        """Read the owner's configurations of a task, the last set last. One round trip."""
        id_ = (self._owner_of(context), task_id)
        document = await self._configs.get(id_)
        return [] if document is None else self._read(id_, document.body)

    async def get_info_for_dispatch(self, task_id: str) -> list[Config]:
        """Read the configurations of a task of all owners. Two round trips."""
        found = await self._configs.list_by((_TASK, task_id))
        return [
            config for listed, document in found for config in self._read(listed.id, document.body)
        ]

    async def delete_info(
        self, task_id: str, context: ServerCallContext, config_id: str | None = None
    ) -> None:
        """Delete the owner's configuration of an id, or all of the task; no-op if there is none.

        Two round trips, four with ``hash_tags`` where none is left.
        """

        def change(configs: list[Config]) -> list[Config]:
            return [each for each in configs if config_id is not None and each.id != config_id]

        await self._change((self._owner_of(context), task_id), change)

    async def _change(self, id: Id, change: Change) -> None:
        for _ in range(_ATTEMPTS):
            document = await self._configs.get(id)
            before = [] if document is None else self._read(id, document.body)
            after = change(before)
            if after == before:
                return
            expected = MISSING if document is None else document.version
            if not after:
                if await self._configs.delete(id, expect=expected):
                    return
                continue
            us = epoch_us(await clock.now(self._db))
            entries = [
                IndexEntry((OWNER, id[0])),
                IndexEntry((_TASK, id[1])),
                IndexEntry((UPDATED, id[0]), us),
            ]
            body = _encode(after)
            if await self._configs.put(id, body, entries, expect=expected) is not None:
                return
        raise ConcurrentUpdateError(_ATTEMPTS)

    def _read(self, id: Id, body: bytes) -> list[Config]:
        try:
            return _decode(body)
        except (DecodeError, msgspec.MsgspecError) as exc:
            key = self._configs.indexes.record(id)
            raise CorruptRecordError(key, "it holds no configurations") from exc


def _encode(configs: Sequence[Config]) -> bytes:
    return msgspec.msgpack.encode([config.SerializeToString() for config in configs])


def _decode(body: bytes) -> list[Config]:
    return [Config.FromString(each) for each in msgspec.msgpack.decode(body, type=list[bytes])]
