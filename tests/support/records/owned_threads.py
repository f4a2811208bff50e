"""A thread that changes hands, and one beside it."""

from redis_store import MemoryStore
from tests.support.records.builders import message, thread


async def furnish(memory: MemoryStore) -> None:
    """Store u's thread with three messages, and w's with two of u's, in place of what there is."""
    await memory.dangerously_clear_all()
    await memory.save_thread(thread())
    await memory.save_thread(thread("t2", "w"))
    await memory.save_messages([message("a"), message("b", 1), message("c", 2)])
    await memory.save_messages([message("z", thread_id="t2"), message("y", 3, thread_id="t2")])


async def shown(memory: MemoryStore, resource_id: str) -> list[str]:
    """List the ids of a resource's messages."""
    return [m.id for m in await memory.list_messages_by_resource_id(resource_id, per_page=None)]
