"""The memory domain in dicts and lists: no I/O, no keys, no cost, obviously right.

Each method takes what the call of that name takes and returns what that call must return. What
only the store can know is taken over from it, once it was found possible: the time of an update
(``settle``), and how messages of several threads are merged where their dates tie (``merge``).
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, cast

from msgspec import UNSET
from msgspec.structs import replace

from redis_store import (
    ClonedThread,
    CopiedThread,
    DateRange,
    Erased,
    Message,
    MessagePatch,
    Resource,
    Thread,
)
from tests.property.listings import Listings, within
from tests.property.model_comparison import RefusedError


class Model(Listings):
    """What must be stored now. Returned threads and resources are live: they follow updates."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: dict[str, Resource] = {}
        self.cloned: list[str] = []
        self._touched: set[str] = set()

    # What only the store can know

    def settle(self, threads: Iterable[Thread], resources: Iterable[Resource]) -> None:
        """Take over the new ``updated_at`` of what was touched; all else must be as it is here."""
        _settle(self.threads, {thread.id: thread for thread in threads}, self._touched)
        _settle(self.resources, {resource.id: resource for resource in resources}, self._touched)
        self._touched.clear()

    # Threads

    def get_thread_by_id(self, thread_id: str, *, resource_id: str | None = None) -> Thread | None:
        thread = self.threads.get(thread_id)
        return thread if thread and resource_id in (None, thread.resource_id) else None

    def save_thread(self, thread: Thread) -> Thread:
        self.threads[thread.id] = deepcopy(thread)
        return thread

    def create_thread(self, thread: Thread) -> Thread:
        if thread.id in self.threads:
            raise RefusedError("ThreadExistsError")
        return self.save_thread(thread)

    def get_or_create_thread(self, thread: Thread) -> Thread:
        return self.threads.get(thread.id) or self.save_thread(thread)

    def update_thread(self, thread_id: str, *, title: Any = UNSET, metadata: Any = UNSET) -> Thread:
        thread = self._known(thread_id)
        thread.title = thread.title if title is UNSET else title
        thread.metadata = thread.metadata | ({} if metadata is UNSET else deepcopy(metadata))
        self._touched.add(thread_id)
        return thread

    def update_thread_metadata(
        self,
        thread_id: str,
        update: Callable[[Thread], dict[str, Any] | None],
        *,
        resource_id: str | None = None,
    ) -> Thread | None:
        thread = self.get_thread_by_id(thread_id, resource_id=resource_id)
        metadata = update(deepcopy(thread)) if thread else None
        if thread and metadata is not None:
            thread.metadata = metadata
            self._touched.add(thread_id)
        return thread

    def update_thread_resource_id(self, thread_id: str, resource_id: str) -> Thread:
        thread = self._known(thread_id)
        if thread.resource_id != resource_id:
            thread.resource_id = resource_id
            for message in self._inserted.get(thread_id, []):
                message.resource_id = resource_id
            self._touched.add(thread_id)
        return thread

    def delete_thread(self, thread_id: str) -> None:
        self.threads.pop(thread_id, None)
        self._inserted.pop(thread_id, None)

    # Messages

    def save_messages(
        self, messages: Sequence[Message], *, create_thread: bool = False
    ) -> list[Message]:
        for message in messages if create_thread else ():
            self._make_thread_of(message, messages)
        for message in messages:
            self._known(message.thread_id)
        self._touched |= {message.thread_id for message in messages}
        last: dict[str, Message] = {}
        for message in messages:
            last.pop(message.id, None)
            last[message.id] = message
        for message in last.values():
            self._place(deepcopy(message))
        return list(messages)

    def update_messages(self, patches: Sequence[MessagePatch]) -> list[Message]:
        known = [patch for patch in patches if self._find(patch.id)]
        for patch in known:
            if isinstance(patch.thread_id, str):
                self._known(patch.thread_id)
        for patch in known:
            self._place(_patched(self._existing(patch.id), patch))
        return [self._existing(id_) for id_ in dict.fromkeys(patch.id for patch in known)]

    def pop_message(self, thread_id: str) -> Message | None:
        messages = self._thread(thread_id)
        if not messages:
            return None
        self._remove(messages[-1])
        return messages[-1]

    def delete_messages(self, message_ids: Sequence[str]) -> int:
        found = [message for id_ in dict.fromkeys(message_ids) if (message := self._find(id_))]
        for message in found:
            self._remove(message)
        return len(found)

    # Resources

    def get_resource_by_id(self, resource_id: str) -> Resource | None:
        return self.resources.get(resource_id)

    def save_resource(self, resource: Resource) -> Resource:
        self.resources[resource.id] = deepcopy(resource)
        return resource

    def update_resource(
        self, resource_id: str, *, working_memory: Any = UNSET, metadata: Any = UNSET
    ) -> Resource:
        fresh = Resource(id=resource_id, created_at=_NEVER, updated_at=_NEVER)
        resource = self.resources.setdefault(resource_id, fresh)
        if working_memory is not UNSET:
            resource.working_memory = working_memory
        resource.metadata = resource.metadata | ({} if metadata is UNSET else deepcopy(metadata))
        self._touched.add(resource_id)
        return resource

    def merge_working_memory(
        self, resource_id: str, merge: Callable[[str | None], str]
    ) -> Resource:
        before = self.resources.get(resource_id)
        memory = merge(before.working_memory if before else None)
        return self.update_resource(resource_id, working_memory=memory)

    def delete_resource(self, resource_id: str) -> None:
        self.resources.pop(resource_id, None)
        self._touched.discard(resource_id)

    def erase_resource(self, resource_id: str) -> Erased:
        """Remove all that a resource has; return how many records of each kind that were."""
        before = len([*self._all()])
        threads = [id_ for id_, t in self.threads.items() if t.resource_id == resource_id]
        for id_ in threads:
            self.delete_thread(id_)
        for id_, inserted in self._inserted.items():
            self._inserted[id_] = [m for m in inserted if m.resource_id != resource_id]
        resources = int(self.resources.pop(resource_id, None) is not None)
        messages = before - len([*self._all()])
        return Erased(threads=len(threads), messages=messages, resources=resources)

    # Clones

    def clone_thread(
        self,
        source_thread_id: str,
        *,
        new_thread_id: str,
        resource_id: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        message_limit: int = 0,
        date_range: DateRange | None = None,
        message_ids: Sequence[str] = (),
        made: ClonedThread | CopiedThread,
    ) -> ClonedThread:
        """Clone as ``made`` was: with its new message ids, at its time."""
        source = self._known(source_thread_id)
        if new_thread_id in self.threads:
            raise RefusedError("ThreadExistsError")
        chosen = [
            message
            for message in self._thread(source_thread_id)
            if within(message, date_range) and (not message_ids or message.id in message_ids)
        ][-message_limit:]
        moment = made.thread.created_at
        clone = {"sourceThreadId": source.id, "clonedAt": f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"}
        thread = Thread(
            id=new_thread_id,
            resource_id=resource_id or source.resource_id,
            title=title or (source.title and f"Clone of {source.title}") or None,
            metadata={
                **(metadata or {}),
                "clone": clone | ({"lastMessageId": chosen[-1].id} if chosen else {}),
            },
            created_at=moment,
            updated_at=moment,
        )
        messages = [
            replace(
                message,
                id=made.message_id_map[message.id],
                thread_id=new_thread_id,
                resource_id=resource_id or message.resource_id,
            )
            for message in chosen
        ]
        self.threads[new_thread_id] = thread
        self._inserted[new_thread_id] = deepcopy(messages)
        self.cloned += [message.id for message in messages]
        id_map = {was.id: now.id for was, now in zip(chosen, messages, strict=True)}
        return ClonedThread(thread=thread, messages=messages, message_id_map=id_map)

    def copy_thread(self, source_thread_id: str, **arguments: Any) -> CopiedThread:
        made = self.clone_thread(source_thread_id, **arguments)
        return CopiedThread(thread=made.thread, message_id_map=made.message_id_map)

    # Within

    def _known(self, thread_id: str) -> Thread:
        if thread_id not in self.threads:
            raise RefusedError("ThreadNotFoundError")
        return self.threads[thread_id]

    def _make_thread_of(self, message: Message, batch: Sequence[Message]) -> None:
        """Make the thread of the first message that names it, as of the oldest one."""
        if message.thread_id not in self.threads:
            moment = min(m.created_at for m in batch if m.thread_id == message.thread_id)
            self.threads[message.thread_id] = Thread(
                id=message.thread_id,
                resource_id=message.resource_id,
                created_at=moment,
                updated_at=moment,
            )

    def _place(self, message: Message) -> None:
        """Store a message: where it stands if thread and date stay, else as the last to come."""
        before = self._find(message.id)
        inserted = self._inserted.setdefault(message.thread_id, [])
        if before and _place_of(before) == _place_of(message):
            inserted[inserted.index(before)] = message
        else:
            if before:
                self._remove(before)
            inserted.append(message)
        self._touched.add(message.thread_id)

    def _remove(self, message: Message) -> None:
        self._inserted[message.thread_id].remove(message)
        self._touched.add(message.thread_id)


_NEVER = datetime.min.replace(tzinfo=UTC)


def _settle(here: dict[str, Any], there: dict[str, Any], touched: set[str]) -> None:
    assert here.keys() == there.keys()
    for id_ in here.keys() & touched:
        assert there[id_].updated_at > here[id_].updated_at
        here[id_].updated_at = there[id_].updated_at
        if here[id_].created_at == _NEVER:
            here[id_].created_at = there[id_].updated_at
    assert here == there


def _place_of(message: Message) -> tuple[str, datetime]:
    return message.thread_id, message.created_at


def _patched(message: Message, patch: MessagePatch) -> Message:
    fields = ("role", "type", "thread_id", "resource_id", "created_at")
    given = {name: getattr(patch, name) for name in fields if getattr(patch, name) is not UNSET}
    if patch.content is not UNSET:
        old, new = message.content, cast("dict[str, Any]", deepcopy(patch.content))
        given["content"] = old | new
        if "metadata" in old and "metadata" in new:
            given["content"]["metadata"] = old["metadata"] | new["metadata"]
    return replace(message, **given)
