"""What each listing must return, from the records as they are in the model."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from redis_store import DateRange, Include, Message, Page, Thread
from tests.property.paging import bounds, cut


class Listings:
    """The records, and every call that lists some."""

    def __init__(self) -> None:
        self.threads: dict[str, Thread] = {}
        self._inserted: dict[str, list[Message]] = {}  # by thread, as they came
        self._merged: list[Message] = []

    def merge(self, listed: list[Message]) -> None:
        """Take over one order of all messages; within each thread it must be the one here."""
        dates = [message.created_at for message in listed]
        assert dates == sorted(dates)
        for thread_id in self.threads:
            assert [m for m in listed if m.thread_id == thread_id] == self._thread(thread_id)
        assert {message.thread_id for message in listed} <= self.threads.keys()
        self._merged = deepcopy(listed)

    def list_threads(
        self,
        *,
        resource_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        page: int = 0,
        per_page: int | None = 100,
        order_by: str = "created_at",
        direction: str = "desc",
    ) -> Page[Thread]:
        found = sorted(
            (
                thread
                for thread in self.threads.values()
                if (not resource_id or thread.resource_id == resource_id)
                and _matches(thread.metadata, metadata)
            ),
            key=lambda thread: (getattr(thread, order_by), thread.id),
            reverse=direction == "desc",
        )
        return cut(found, page, per_page)

    def list_threads_by_resource_id(self, resource_id: str, **options: Any) -> Page[Thread]:
        return self.list_threads(resource_id=resource_id, **options)

    def list_messages(
        self, thread_id: str | Sequence[str], *, resource_id: str | None = None, **options: Any
    ) -> Page[Message]:
        ids = {thread_id} if isinstance(thread_id, str) else set(thread_id)
        listed = [message for message in self._merged if message.thread_id in ids]
        return self._window(listed, resource_id or None, **options)

    def list_messages_by_resource_id(self, resource_id: str, **options: Any) -> Page[Message]:
        if resource_id == "":
            total = 0 if options.get("include_total", True) else None
            return _page([], total, options["page"], options["per_page"], more=False)
        return self._window(self._merged, resource_id, **options)

    def list_messages_by_id(self, message_ids: Sequence[str]) -> list[Message]:
        return [message for message in self._merged if message.id in message_ids]

    def iter_messages(
        self, thread_id: str, *, direction: str = "asc", batch_size: int = 100
    ) -> list[Message]:
        del batch_size
        return self._thread(thread_id)[:: -1 if direction == "desc" else 1]

    def _all(self) -> Iterator[Message]:
        for messages in self._inserted.values():
            yield from messages

    def _find(self, message_id: str) -> Message | None:
        return next((message for message in self._all() if message.id == message_id), None)

    def _existing(self, message_id: str) -> Message:
        return next(message for message in self._all() if message.id == message_id)

    def messages_of(self, thread_id: str) -> list[Message]:
        return self._thread(thread_id)

    def _thread(self, thread_id: str) -> list[Message]:
        return sorted(self._inserted.get(thread_id, []), key=lambda message: message.created_at)

    def _window(
        self,
        listed: list[Message],
        resource_id: str | None,
        *,
        page: int = 0,
        per_page: int | None = 40,
        direction: str = "asc",
        date_range: DateRange | None = None,
        metadata: dict[str, Any] | None = None,
        include: Sequence[Include] = (),
        include_total: bool = True,
    ) -> Page[Message]:
        step = -1 if direction == "desc" else 1
        found = [
            message
            for message in listed[::step]
            if resource_id in (None, message.resource_id)
            and within(message, date_range)
            and _matches(message.content.get("metadata"), metadata)
        ]
        included = {id_ for item in include for id_ in self._around(item, resource_id)}
        if per_page == 0:
            items = [message for message in self._merged[::step] if message.id in included]
            return _page(items, 0, page, per_page, more=False)
        first, end = bounds(page, per_page, len(found))
        shown = {message.id for message in found[first:end]} | included
        items = [message for message in self._merged[::step] if message.id in shown]
        more = any(message.id not in shown for message in found[end:])
        if metadata:
            more = end < len(found)
        return _page(items, len(found) if include_total else None, page, per_page, more=more)

    def _around(self, item: Include, resource_id: str | None) -> list[str]:
        """The target and its window, of the resource's messages in the target's thread."""
        target = self._find(item.id)
        if target is None or resource_id not in (None, target.resource_id):
            return []
        ids = [m.id for m in self._thread(target.thread_id) if resource_id in (None, m.resource_id)]
        at = ids.index(item.id)
        first = max(0, at - item.with_previous_messages)
        return ids[first : at + item.with_next_messages + 1]


def within(message: Message, date_range: DateRange | None) -> bool:
    chosen, date = date_range or DateRange(), message.created_at
    return (
        (chosen.start is None or date >= chosen.start)
        and (chosen.end is None or date <= chosen.end)
        and not (chosen.start_exclusive and date == chosen.start)
        and not (chosen.end_exclusive and date == chosen.end)
    )


def _matches(metadata: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    """Values are equal if their JSON is: that tells 1 from "1" and from true."""
    held = {key: json.dumps(value, sort_keys=True) for key, value in (metadata or {}).items()}
    asked = {key: json.dumps(value, sort_keys=True) for key, value in (wanted or {}).items()}
    return asked.items() <= held.items()


def _page(
    items: list[Any], total: int | None, page: int, per_page: int | None, *, more: bool
) -> Page[Any]:
    return Page(items=items, total=total, page=page, per_page=per_page, has_more=more)
