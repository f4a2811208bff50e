"""Resources: working memory and metadata of a user, across threads."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from redis_store import json_values
from redis_store._engine import clock, codecs, raw_fields
from redis_store._engine.arguments import (
    check_dates,
    check_id,
    check_ids,
    check_instance,
    check_object,
    check_text,
)
from redis_store._engine.database import Database
from redis_store._engine.indexes import RESOURCES, settle
from redis_store._engine.operations import Repository, lookup, operation, query
from redis_store._engine.timestamps import later_than
from redis_store._engine.transaction import Transaction, transact
from redis_store.models import Resource


class Resources(Repository):
    """Calls on resources."""

    @lookup
    async def get_resource_by_id(self, resource_id: str) -> Resource | None:
        """Read a resource, or ``None``. One round trip."""
        check_id("resource_id", resource_id)
        key = self._keys.resource(resource_id)
        stored = await self._db.ask(("GET", key))
        return None if stored is None else codecs.decode_resource(key, stored)

    @query
    async def get_resources_by_id(self, resource_ids: Sequence[str]) -> dict[str, Resource]:
        """Read resources by id. One round trip for any number of them.

        Returns:
            The resources that exist, by id, in the sequence of the ids.
        """
        key_of = {id_: self._keys.resource(id_) for id_ in check_ids("resource_ids", resource_ids)}
        found = await self._db.get(list(key_of.values()))
        return {
            id_: codecs.decode_resource(key, stored)
            for id_, key in key_of.items()
            if (stored := found[key]) is not None
        }

    @operation
    async def save_resource(self, resource: Resource) -> Resource:
        """Store a resource, new or not, with its dates as given. One round trip.

        Raises:
            InvalidArgumentError: A bad id, a naive date, or metadata that JSON cannot express.
        """
        given, resource = resource, _checked(resource)
        await clock.date(self._db, given, resource)
        json = codecs.encode_resource(resource)
        tx = Transaction(self._db)
        _store(tx, self._keys.resource(resource.id), json, resource)
        await tx.commit()
        return resource

    @operation
    async def update_resource(
        self,
        resource_id: str,
        *,
        working_memory: str | UnsetType | None = UNSET,
        metadata: dict[str, Any] | UnsetType = UNSET,
    ) -> Resource:
        """Replace the working memory, merge metadata one level; create the resource if unknown.

        Two round trips, one more per concurrent update that comes first; no update is lost.
        """
        check_id("resource_id", resource_id)
        if working_memory is not UNSET:
            check_text("working_memory", working_memory)
        if metadata is not UNSET:
            metadata = check_object("metadata", metadata)

        def change(resource: Resource) -> Resource:
            if working_memory is not UNSET:
                resource.working_memory = working_memory
            if metadata is not UNSET:
                resource.metadata |= metadata
            return resource

        return await self._change_resource(resource_id, change)

    @operation
    async def merge_working_memory(
        self, resource_id: str, merge: Callable[[str | None], str]
    ) -> Resource:
        """Replace the working memory by what ``merge`` returns for it, atomically.

        Two round trips. ``merge`` receives ``None`` if there is no memory yet, and runs again if
        another writer came first. If it raises, the exception propagates and nothing is written.
        """
        check_id("resource_id", resource_id)

        def change(resource: Resource) -> Resource:
            resource.working_memory = merge(resource.working_memory)
            check_text("working_memory", resource.working_memory)
            return resource

        return await self._change_resource(resource_id, change, repeatable=False)

    @operation
    async def delete_resource(self, resource_id: str) -> None:
        """Delete a resource's working memory and metadata. One round trip.

        No-op for an unknown id. What else the resource has, such as threads, stays; see
        ``RedisStore.erase_resource``.
        """
        check_id("resource_id", resource_id)
        await delete_resource(self._db, resource_id)

    async def _change_resource(
        self,
        resource_id: str,
        change: Callable[[Resource], Resource],
        *,
        repeatable: bool = True,
    ) -> Resource:
        """Change a resource's record atomically; create it if unknown."""
        key, now = self._keys.resource(resource_id), await clock.now(self._db)

        async def attempt(tx: Transaction) -> Resource:
            json = _changed(key, await tx.read(key), resource_id, change, now)
            resource = codecs.decode_resource(key, json)
            _store(tx, key, json, resource)
            return resource

        return await transact(self._db, attempt, repeatable=repeatable)


async def delete_resource(db: Database, resource_id: str) -> None:
    """Delete a resource's record and index entry, whether it has them or not. One round trip."""
    key = db.keys.resource(resource_id)
    tx = Transaction(db)
    tx.delete([key])
    tx.command("ZREM", db.keys.resources_shard(resource_id), resource_id)
    # Unlike an old date, a missing entry matters: retention would never find a record that another
    # writer stores meanwhile.
    tx.reconcile(partial(settle, db, RESOURCES, {key: None}, {key: ()}))
    await tx.commit()


def _store(tx: Transaction, key: str, json: bytes, resource: Resource) -> None:
    tx.set(key, json)
    RESOURCES.reindex(tx, key, before=None, after=resource)


def _changed(
    key: str,
    stored: bytes | None,
    resource_id: str,
    change: Callable[[Resource], Resource],
    now: datetime,
) -> bytes:
    if stored is None:
        fresh = Resource(id=resource_id, created_at=now, updated_at=now)
        return codecs.encode_resource(change(fresh))
    resource = codecs.decode_resource(key, stored)
    updated_at = later_than(resource.updated_at, now)
    resource = change(resource)
    memory = resource.working_memory
    return raw_fields.patch(
        key,
        stored,
        {
            "workingMemory": UNSET if memory is None else memory,
            "metadata": json_values.encode(resource.metadata).decode(),
            "updatedAt": updated_at,
        },
    )


def _checked(value: object) -> Resource:
    resource = check_instance("resource", value, Resource)
    check_id("id", resource.id)
    check_text("working_memory", resource.working_memory)
    metadata = check_object("metadata", resource.metadata)
    return check_dates(replace(resource, metadata=metadata))
