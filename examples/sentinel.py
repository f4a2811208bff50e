"""An agent's memory that survives a failover, and what an acknowledged write is worth.

docker compose --profile sentinel up --wait
python examples/sentinel.py
python examples/sentinel.py --turns 1000 redis+sentinel://host:26379/mymaster    yours, for longer

Meanwhile, kill the primary (`docker compose --profile sentinel kill sentinel-primary`): calls wait
until the sentinels have chosen another, and go on. If that was the only replica, writes have no
copy until the killed server is back (`start` in place of `kill`), and each call says so.
"""

import argparse
import asyncio
from datetime import timedelta

from redis_store import Message, RedisStore, ReplicationError, Thread

URL = "redis+sentinel://127.0.0.1:26379,127.0.0.1:26380,127.0.0.1:26381/mymaster/0"
PREFIX = "example:"
THREAD, USER = "chat", "user-1"


async def save(store: RedisStore, number: int) -> str:
    """Save a message; return where it is.

    With min_replicas a call returns when so many replicas have the message, too: a failover then
    keeps it. A ReplicationError is no rollback. The message is on the primary, and on as many
    replicas as the error says; to save it again, under the same id, does no harm.
    """
    message = Message.from_text(
        "user", f"turn {number}", id=f"turn-{number}", thread_id=THREAD, resource_id=USER
    )
    try:
        await store.memory.save_messages([message])
    except ReplicationError as error:
        return f"on the primary, and on {error.confirmed} replicas only"
    return "on the primary, and on as many replicas as asked for"


async def talk(url: str, turns: int) -> None:
    async with RedisStore(url, key_prefix=PREFIX, min_replicas=1) as store:
        await store.memory.save_thread(Thread(id=THREAD, resource_id=USER))
        for number in range(1, turns + 1):
            print(f"turn {number}: {await save(store, number)}")


async def ask_too_much(url: str) -> None:
    """Ask for more replicas than there are; the call gives up at its deadline."""
    deadline = timedelta(seconds=1)
    async with RedisStore(
        url, key_prefix=PREFIX, min_replicas=9, operation_timeout=deadline
    ) as store:
        print(f"turn 0: {await save(store, 0)}")


async def recall(url: str) -> None:
    """Read from replicas, which lag behind the primary by what was written last."""
    async with RedisStore(url, key_prefix=PREFIX, read_from="replica") as store:
        page = await store.memory.list_messages(THREAD, per_page=3, direction="desc")
        print(f"{page.total} messages; the newest: {[message.text for message in page]}")
        await store.memory.delete_thread(THREAD)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Remember through a failover.")
    parser.add_argument("url", nargs="?", default=URL, help="the sentinels and their service")
    parser.add_argument("--turns", type=int, default=5, help="how many messages to save")
    arguments = parser.parse_args()
    await talk(arguments.url, arguments.turns)
    await ask_too_much(arguments.url)
    await recall(arguments.url)


if __name__ == "__main__":
    asyncio.run(main())
