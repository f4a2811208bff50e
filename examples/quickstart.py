"""An agent's memory on a real server that starts by itself: run it and read along.

python examples/quickstart.py
"""

import asyncio
import tempfile
from collections.abc import Iterable

from redis_store import Include, Message, Page, RedisStore, Thread

USER = "ana"
THREAD = "trip-to-lisbon"


def say(text: str) -> None:
    print(f"\n{text}")


def show(messages: Iterable[Message]) -> None:
    for message in messages:
        print(f"    {message.created_at:%H:%M:%S.%f}  {message.role:9}  {message.text}")


def line(role: str, text: str) -> Message:
    return Message.from_text(role, text, thread_id=THREAD, resource_id=USER)


def conversation() -> list[Message]:
    opening = [
        line("user", "Hi, I am Ana, and I do not eat meat."),
        line("assistant", "Welcome, Ana! Noted: vegetarian."),
    ]
    days = (
        (
            line("user", f"What shall I do on day {day}?"),
            line("assistant", f"Day {day}: walk uphill."),
        )
        for day in range(1, 10)
    )
    return [*opening, *(message for pair in days for message in pair)]


async def remember(store: RedisStore) -> str:
    """Fill the store; return the id of a message to recall later."""
    say(f"1. A store: {store!r}. A thread belongs to a resource, usually a user.")
    thread = await store.memory.save_thread(
        Thread(id=THREAD, resource_id=USER, title="Lisbon", metadata={"topic": "travel"})
    )
    print(f"    {thread.id!r} of {thread.resource_id!r}, titled {thread.title!r}")

    messages = conversation()
    await store.memory.save_messages(messages)
    say(f"2. {len(messages)} messages, saved in one round trip, all or nothing.")

    page: Page[Message] = await store.memory.list_messages(THREAD, per_page=10, direction="desc")
    say(f"3. The newest {len(page)} of {page.total}, as an agent reads them before it answers:")
    show(reversed(page.items))

    await store.memory.merge_working_memory(USER, lambda known: (known or "") + "- vegetarian\n")
    say("4. Working memory is kept per user, across threads, and merged atomically.")
    return messages[0].id


async def recall(store: RedisStore, message_id: str) -> None:
    """Show that another store on the same data finds everything again."""
    page = await store.memory.list_messages(
        THREAD, per_page=2, direction="desc", include=[Include(message_id, with_next_messages=1)]
    )
    say("6. The newest two, and a message that a search found, with the one that followed it:")
    show(reversed(page.items))

    resource = await store.memory.get_resource_by_id(USER)
    say(f"7. Working memory of {USER!r}: {resource.working_memory if resource else None!r}")
    threads = await store.memory.list_threads(resource_id=USER, metadata={"topic": "travel"})
    say(f"8. Ana's threads about travel: {[thread.title for thread in threads]}")


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with RedisStore(f"embedded://{directory}") as store:
            message_id = await remember(store)
        say(f"5. The store is closed, its server gone; the data is in {directory}.")
        async with RedisStore(f"embedded://{directory}") as store:
            await recall(store, message_id)


if __name__ == "__main__":
    asyncio.run(main())
