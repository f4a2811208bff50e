"""Changing and deleting messages that are stored."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, Raw
from msgspec.structs import replace

from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_date,
    check_id,
    check_ids,
    check_records,
    check_thread_id,
)
from redis_store._engine.operations import Repository, operation
from redis_store._engine.steps import Body
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction, attempts
from redis_store.errors import ThreadNotFoundError
from redis_store.json_values import is_object
from redis_store.memory.locations import Stored, find, grouped, moved, owners, threads_of, touch
from redis_store.models import Message, MessagePatch, now

_UNKNOWN = Stored("", None, None)


class _Change(NamedTuple):
    """A message as it is stored, and as it shall be."""

    thread_id: str
    key: str
    before: bytes
    after: bytes
    message: Message


class Updating(Repository):
    """Calls that change and delete messages."""

    @operation
    async def update_messages(self, patches: Sequence[MessagePatch]) -> list[Message]:
        """Change fields of messages; unknown ids are skipped. Two round trips.

        Two more per concurrent change that comes first; none is lost. Patches apply in order.
        Moves ``updated_at`` of every thread that holds or held a changed message.

        Returns:
            The changed messages, whole, each once, in the order of the patches.

        Raises:
            ThreadNotFoundError: A message should move to an unknown thread. Nothing was changed.
        """
        checked = check_records("patches", patches, MessagePatch, _checked)
        rounds = attempts(self._batch)
        while True:
            tx = next(rounds)
            changes = await self._changes(checked, tx) if checked else {}
            if not changes or not await tx.commit():
                return [change.message for change in changes.values()]

    @operation
    async def delete_messages(self, message_ids: Sequence[str]) -> int:
        """Remove messages; unknown ids are fine. Two round trips.

        Moves ``updated_at`` of the threads that held them.

        Returns:
            How many existed.
        """
        ids = check_ids("message_ids", message_ids)
        rounds = attempts(self._batch)
        while ids:
            tx = next(rounds)
            thread_of = await self._touched(tx, ids)
            groups = grouped(thread_of)
            for thread_id, members in groups.items():
                tx.drop(thread_id, members)
            tx.forget(thread_of)
            if not thread_of or not await tx.commit():
                return tx.dropped
        return 0

    async def _touched(self, tx: Transaction, message_ids: Sequence[str]) -> dict[str, str]:
        """Find the threads of messages and move their ``updated_at`` ahead, whoever owns them."""
        if self._keys.hash_tags:
            # The script tells the owner, whose index is in another slot and follows anyway.
            thread_of = await threads_of(self._batch, message_ids)
            for thread_id in grouped(thread_of):
                tx.touch(thread_id, None, epoch_us(now()))
            return thread_of
        found = await find(self._batch, message_ids, threads=(), bodies=False)
        _touch_all(tx, owners(self._keys, found.records, found.records))
        return {id_: message.thread_id for id_, message in found.messages.items()}

    async def _changes(
        self, patches: Sequence[MessagePatch], tx: Transaction
    ) -> dict[str, _Change]:
        """Read the messages that exist, apply the patches, and write the outcome to ``tx``."""
        ids = list(dict.fromkeys(patch.id for patch in patches))
        targets = {patch.thread_id for patch in patches if isinstance(patch.thread_id, str)}
        stored, records = await find(self._batch, ids, threads=targets)
        lost = {id_: each.thread_id for id_, each in stored.items() if each.body is None}
        if await moved(self._batch, lost):
            return await self._changes(patches, tx)
        changes: dict[str, _Change] = {}
        for patch in patches:
            thread_id, before, _ = stored.get(patch.id, _UNKNOWN)
            if before is not None:
                if isinstance(patch.thread_id, str) and records[patch.thread_id] is None:
                    raise ThreadNotFoundError(patch.thread_id)
                key = self._keys.message(thread_id, patch.id)
                latest = changes[patch.id].after if patch.id in changes else before
                after = _applied(patch, key, latest)
                message = codecs.decode_message(key, after)
                changes[patch.id] = _Change(thread_id, key, before, after, message)
        # First the threads that messages move to: a crash on the way to the others loses none.
        targets_first = [c.message.thread_id for c in changes.values()]
        involved = dict.fromkeys([*targets_first, *(c.thread_id for c in changes.values())])
        _touch_all(tx, owners(self._keys, involved, records))
        _write(tx, changes)
        return changes


def _touch_all(tx: Transaction, owner_of: Mapping[str, str | None]) -> None:
    now_us = epoch_us(now())
    for thread_id, owner in owner_of.items():
        touch(tx, thread_id, owner, now_us)


def _write(tx: Transaction, changes: Mapping[str, _Change]) -> None:
    """Put changed messages where they belong, and take those that move from where they were."""
    bodies: dict[str, list[Body]] = {}
    for id_, change in changes.items():
        us, resource_id = epoch_us(change.message.created_at), change.message.resource_id
        body = Body(id_, us, resource_id, change.after)
        bodies.setdefault(change.message.thread_id, []).append(body)
    tx.same({change.key: change.before for change in changes.values()})
    target = {id_: change.message.thread_id for id_, change in changes.items()}
    was_in = {id_: change.thread_id for id_, change in changes.items()}
    moved = {id_: thread_id for id_, thread_id in was_in.items() if thread_id != target[id_]}
    tx.located({id_: thread_id for id_, thread_id in was_in.items() if id_ not in moved})
    for thread_id, stored in bodies.items():
        tx.put(thread_id, stored)
    tx.move(moved, target)


def _applied(patch: MessagePatch, key: str, stored: bytes) -> bytes:
    """Apply a patch to a stored record; what the patch does not name stays, byte for byte."""
    changes: dict[str, object] = {
        wire: value
        for wire, value in (
            ("role", patch.role),
            ("type", patch.type),
            ("threadId", patch.thread_id),
            ("resourceId", patch.resource_id),
            ("createdAt", patch.created_at),
        )
        if value is not UNSET
    }
    if patch.content is not UNSET:
        before = codecs.decode_fields(key, stored).get("content")
        changes["content"] = _merged(patch.content, before)
    return codecs.patch(key, stored, changes)


def _merged(content: object, before: Raw | None) -> object:
    """Lay new content over old: key by key, ``metadata`` one level deeper."""
    old = codecs.fields_of(before)
    if old is None or not is_object(content):
        return content
    merged: dict[str, Any] = {**old, **content}
    metadata, old_metadata = content.get("metadata"), codecs.fields_of(old.get("metadata"))
    if old_metadata is not None and is_object(metadata):
        merged["metadata"] = {**old_metadata, **metadata}
    return merged


def _checked(patch: MessagePatch) -> MessagePatch:
    check_id("id", patch.id)
    for argument in ("role", "type", "resource_id"):
        if getattr(patch, argument) is not UNSET:
            check_id(argument, getattr(patch, argument))
    if patch.thread_id is not UNSET:
        check_thread_id("thread_id", patch.thread_id)
    if patch.content is not UNSET:
        codecs.encode("content", patch.content)
    if patch.created_at is UNSET:
        return patch
    return replace(patch, created_at=check_date("created_at", patch.created_at))
