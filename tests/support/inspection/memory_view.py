"""What a store shows of its data, without what the clock and chance decide."""

from typing import NamedTuple

from redis_store import MemoryStore, Message, Thread

Shown = tuple[object, ...]


class View(NamedTuple):
    """Everything that the calls which read show; two views are equal where the data are."""

    threads: list[Shown]
    listed_by_resource: dict[str, list[str]]
    messages: dict[str, list[Shown]]
    by_resource: dict[str, list[Shown]]
    by_id: list[Shown]


async def view(memory: MemoryStore) -> View:
    """Read everything, each record in every way that there is."""
    threads = (await memory.list_threads(per_page=None)).items
    messages = {
        thread.id: (await memory.list_messages(thread.id, per_page=None)).items
        for thread in threads
    }
    everything = [message for items in messages.values() for message in items]
    resources = {item.resource_id for item in threads} | {m.resource_id for m in everything}
    ids = [message.id for message in everything]
    return View(
        threads=sorted(map(_thread, threads)),
        listed_by_resource={
            resource: sorted(
                thread.id for thread in await memory.list_threads(resource_id=resource)
            )
            for resource in resources
        },
        messages={thread_id: list(map(_message, items)) for thread_id, items in messages.items()},
        by_resource={
            resource: sorted(
                _message(message)
                for message in await memory.list_messages_by_resource_id(resource, per_page=None)
            )
            for resource in resources
        },
        by_id=sorted(map(_message, await memory.list_messages_by_id(ids))),
    )


def _thread(thread: Thread) -> Shown:
    metadata = {key: value for key, value in thread.metadata.items() if key != "clone"}
    return thread.id, thread.resource_id, thread.title or "", sorted(metadata.items())


def _message(message: Message) -> Shown:
    # Not the id: a clone's messages have ids of their own.
    return message.thread_id, message.text, message.resource_id, message.role
