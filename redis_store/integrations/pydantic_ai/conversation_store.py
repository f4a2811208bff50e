"""RedisConversationStore: Pydantic AI's types on ``stored_conversations``."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Self

from redis_store._engine.arguments import check_id, check_instance, check_ttl
from redis_store._engine.operations import named
from redis_store._engine.timestamps import epoch_us
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.pydantic_ai.stored_conversations import (
    ALL,
    StoredConversations,
    StoredEntry,
    StoredRecord,
    scope_index,
)
from redis_store.store import RedisStore

with requires("pydantic-ai"):
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic_ai.conversation_store import (
        ConversationConflict,
        ConversationEntry,
        ConversationRecord,
        ConversationStore,
    )
    from pydantic_ai.messages import ModelMessage
    from pydantic_core import PydanticSerializationError

_SHORTEST = timedelta(milliseconds=1)
# As the framework's own adapter of lists of messages.
_CONFIG = ConfigDict(defer_build=True, ser_json_bytes="base64", val_json_bytes="base64")
_RECORD: TypeAdapter[ConversationRecord] = TypeAdapter(ConversationRecord)
_MESSAGE: TypeAdapter[ModelMessage] = TypeAdapter(ModelMessage, config=_CONFIG)


class EntryId(str):
    """The id of an entry that knows the conversation in which it was found."""

    __slots__ = ("conversation_id",)
    conversation_id: str

    @classmethod
    def within(cls, conversation_id: str, id: str) -> Self:
        """Build the id of an entry of a conversation."""
        made = cls(id)
        made.conversation_id = conversation_id
        return made


class RedisConversationStore(ConversationStore):
    """Pydantic AI's conversations in Redis, where a save costs what it adds.

    ::

        conversations = RedisConversationStore(store)
        conversation = await conversations.load("c1", limit=20, scope="ana")
        result = await agent.run(prompt, conversation=conversation)
        await conversations.save(result, scope="ana")

    Loading is two round trips for any limit, and transfers only what is loaded; saving is two. Of
    racing saves one wins, and the others raise ``ConversationConflict`` with nothing stored.

    Each conversation stands alone: a fork has copies of the entries that it keeps, under the same
    ids. So ``delete`` erases all messages of a conversation, its branches included; forks of it
    stay whole.

    What the protocol makes impossible: it reads an entry by its id alone, and only a conversation
    has entries here. So ``read_entry`` and ``read_history`` take the ids of records and entries as
    this store has returned them, which know their conversation; a plain string raises
    ``LookupError``. As with every store that serializes, a ``BinaryContent`` with an image comes
    back as a ``BinaryImage``, which is not equal to it.

    ``store.erase_resource(scope)`` removes the conversations of a scope, and ``export_resource``
    returns them; ``Retention(integrations=…)`` removes old ones. Errors of the server are those of
    ``redis_store``.

    Args:
        store: An open store, shared by any number of conversation stores. It is not closed here.
        ttl: How long a conversation lives after it was last loaded or saved; ``None`` is for ever.
    """

    def __init__(self, store: RedisStore, *, ttl: timedelta | None = None) -> None:
        check_instance("store", store, RedisStore)
        check_ttl("ttl", ttl)
        if ttl is not None and ttl < _SHORTEST:
            raise InvalidArgumentError("ttl", "must be a millisecond or more", ttl)
        self._conversations = StoredConversations(database_of(store), ttl)

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """Read a record; ``None`` if there is none. One round trip."""
        stored = await self._conversations.read(conversation_id)
        return None if stored is None else self._record(conversation_id, stored)

    async def read_records(
        self, *, scope: str | None = None, limit: int | None = None
    ) -> Sequence[ConversationRecord]:
        """List records, the last saved first. Two round trips.

        Args:
            scope: Only those of this scope.
            limit: At most so many.
        """
        if scope is not None:
            with named("read_records"):
                check_id("scope", scope)
        index = ALL if scope is None else scope_index(scope)
        found = await self._conversations.list_by(index, limit)
        return [self._record(id_, stored) for id_, stored in found]

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """Store a record and its new entries, all or nothing. One round trip; two for a fork.

        Raises:
            ConversationConflict: See ``ConversationStore``. Nothing was stored.
            InvalidArgumentError: An id that keys cannot hold, or what has no JSON form. Nothing was
                stored.
        """
        with named("write_record"):
            stored = _stored(record)
            entries = [_stored_entry(entry, at) for at, entry in enumerate(new_entries)]
        if not await self._conversations.write(
            record.conversation_id,
            stored,
            entries,
            expect=expected_revision,
            copied_from=record.forked_from if expected_revision is None else None,
        ):
            raise ConversationConflict(record.conversation_id)

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Delete a conversation with all its entries. Two round trips (four hash-tagged).

        Raises:
            ConversationConflict: Its revision is another one.
        """
        if not await self._conversations.delete(conversation_id, expect=expected_revision):
            raise ConversationConflict(conversation_id)

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """Read an entry by an id that was read from here. One round trip.

        Raises:
            LookupError: It is gone, or the id knows no conversation.
        """
        conversation_id = _conversation_of(entry_id)
        found = await self._conversations.entry(conversation_id, entry_id)
        if found is None:
            raise LookupError(entry_id)
        return self._entry(conversation_id, found)

    async def read_history(
        self, head_id: str | None, *, limit: int | None = None
    ) -> list[ConversationEntry]:
        """Read the newest entries up to one whose id was read from here. One round trip.

        Raises:
            LookupError: One is gone, or the id knows no conversation.
        """
        if head_id is None or limit == 0:
            return []
        conversation_id = _conversation_of(head_id)
        found = await self._conversations.history(conversation_id, head_id, limit)
        if found is None:
            raise LookupError(head_id)
        return [self._entry(conversation_id, each) for each in found]

    def _record(self, id: str, stored: bytes) -> ConversationRecord:
        try:
            record = _RECORD.validate_json(stored)
        except ValidationError as exc:
            key = self._conversations.head_key(id)
            raise CorruptRecordError(key, "its record is unreadable") from exc
        if record.head_id is not None:
            record.head_id = EntryId.within(id, record.head_id)
        record.branches = [EntryId.within(id, tip) for tip in record.branches]
        return record

    def _entry(self, id: str, stored: StoredEntry) -> ConversationEntry:
        try:
            message = _MESSAGE.validate_json(stored.message)
        except ValidationError as exc:
            key = self._conversations.entries_key(id)
            raise CorruptRecordError(key, f"the entry {stored.id!r} is unreadable") from exc
        parent = EntryId.within(id, stored.parent) if stored.parent else None
        return ConversationEntry(
            id=EntryId.within(id, stored.id), parent_id=parent, message=message
        )


def _conversation_of(entry_id: str) -> str:
    if isinstance(entry_id, EntryId):
        return entry_id.conversation_id
    raise LookupError(f"{entry_id!r} was not read from here, so its conversation is unknown.")


def _stored(record: ConversationRecord) -> StoredRecord:
    check_id("conversation_id", record.conversation_id)
    if record.scope is not None:
        check_id("scope", record.scope)
    try:
        json = _RECORD.dump_json(record)
    except (PydanticSerializationError, UnicodeEncodeError) as exc:
        raise InvalidArgumentError("record", f"has no JSON form: {exc}") from exc
    updated_us = epoch_us(record.updated_at)
    return StoredRecord(record.revision, json, record.head_id, record.scope, updated_us)


def _stored_entry(entry: ConversationEntry, at: int) -> StoredEntry:
    try:
        message = _MESSAGE.dump_json(entry.message)
    except (PydanticSerializationError, UnicodeEncodeError) as exc:
        why = f"has no JSON form: {exc}"
        raise InvalidArgumentError("messages", why, place=f"[{at}]") from exc
    return StoredEntry(check_id("id", entry.id), entry.parent_id or "", message)
