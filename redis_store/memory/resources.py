"""Resources: what is remembered of a user across threads."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from redis_store._engine import codecs
from redis_store._engine.indexes import of_resource, relist
from redis_store._engine.keys import check_id
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.transaction import Transaction, attempts
from redis_store.errors import InvalidArgumentError
from redis_store.models import Resource, now
from redis_store.pages import check_date, check_dict

_TICK = timedelta(microseconds=1)


class Resources(Repository):
    """Calls on resources."""

    @query
    async def get_resource_by_id(self, resource_id: str) -> Resource | None:
        """Read a resource, or ``None``. One round trip."""
        check_id("get_resource_by_id", "resource_id", resource_id)
        key = self._keys.resource(resource_id)
        stored = await self._batch.command("GET", key)
        return None if stored is None else codecs.decode_resource(key, stored)

    @operation
    async def save_resource(self, resource: Resource) -> Resource:
        """Store a resource whole, new or not, with the dates it has. One round trip.

        Raises:
            InvalidArgumentError: A bad id, a naive date, or metadata without a JSON form.
        """
        resource = _checked("save_resource", resource)
        json = codecs.encode_resource("save_resource", resource)
        tx = Transaction(self._batch)
        self._store(tx, self._keys.resource(resource.id), json, resource)
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

        Two round trips, one more per concurrent update that comes first; none is lost.
        """
        name = "update_resource"
        check_id(name, "resource_id", resource_id)
        if working_memory is not UNSET:
            _check_memory(name, working_memory)
        if metadata is not UNSET:
            codecs.check_object(name, "metadata", metadata)

        def change(resource: Resource) -> Resource:
            if working_memory is not UNSET:
                resource.working_memory = working_memory
            if metadata is not UNSET:
                resource.metadata |= metadata
            return resource

        return await self._modify_resource(name, resource_id, change)

    @operation
    async def merge_working_memory(
        self, resource_id: str, merge: Callable[[str | None], str]
    ) -> Resource:
        """Replace the working memory by what ``merge`` makes of it, atomically.

        Two round trips. ``merge`` gets ``None`` where there is no memory yet, and runs again when
        another writer came first; what it raises propagates and nothing is written.
        """
        name = "merge_working_memory"
        check_id(name, "resource_id", resource_id)

        def change(resource: Resource) -> Resource:
            resource.working_memory = merge(resource.working_memory)
            _check_memory(name, resource.working_memory)
            return resource

        return await self._modify_resource(name, resource_id, change, repeatable=False)

    async def _modify_resource(
        self,
        name: str,
        resource_id: str,
        change: Callable[[Resource], Resource],
        *,
        repeatable: bool = True,
    ) -> Resource:
        """Change a resource by what was read, again until nobody came between."""
        key = self._keys.resource(resource_id)
        found = await self._batch.get([key])
        rounds = attempts(self._batch, name, repeatable=repeatable)
        while True:
            tx = next(rounds)
            json = _changed(name, key, found[key], resource_id, change)
            resource = codecs.decode_resource(key, json)
            tx.same(found)
            self._store(tx, key, json, resource)
            refused = await tx.commit()
            if not refused:
                return resource
            found |= refused

    def _store(self, tx: Transaction, key: str, json: bytes, resource: Resource) -> None:
        tx.set(key, json)
        relist(tx, (), of_resource(self._keys, key, resource))


def _changed(
    name: str,
    key: str,
    stored: bytes | None,
    resource_id: str,
    change: Callable[[Resource], Resource],
) -> bytes:
    if stored is None:
        moment = now()
        fresh = Resource(id=resource_id, created_at=moment, updated_at=moment)
        return codecs.encode_resource(name, change(fresh))
    resource = codecs.decode_resource(key, stored)
    updated_at = max(now(), resource.updated_at + _TICK)
    resource = change(resource)
    memory = resource.working_memory
    return codecs.patch(
        name,
        key,
        stored,
        {
            "workingMemory": UNSET if memory is None else memory,
            "metadata": codecs.encode(name, "metadata", resource.metadata).decode(),
            "updatedAt": updated_at,
        },
    )


def _checked(name: str, resource: object) -> Resource:
    if not isinstance(resource, Resource):
        raise InvalidArgumentError.of(name, "resource", "must be a Resource", resource)
    check_id(name, "id", resource.id)
    _check_memory(name, resource.working_memory)
    check_dict(name, "metadata", resource.metadata)
    return replace(
        resource,
        created_at=check_date(name, "created_at", resource.created_at),
        updated_at=check_date(name, "updated_at", resource.updated_at),
    )


def _check_memory(name: str, memory: object) -> None:
    if memory is not None and not isinstance(memory, str):
        raise InvalidArgumentError.of(name, "working_memory", "must be a string or None", memory)
