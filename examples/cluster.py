"""An agent's memory on a Redis Cluster: where a thread lies, and how threads spread over the nodes.

docker compose --profile cluster up --wait
python examples/cluster.py
python examples/cluster.py redis+cluster://host:7001,host:7002    on a cluster of yours

A thread with its messages and their order lies in one slot, so on one node: what changes there
changes in one step. Threads, users and indexes spread over all nodes.
"""

import asyncio
import sys
from collections import Counter
from typing import cast

from redis.asyncio import RedisCluster

from redis_store import Message, RedisStore, Thread

URL = "redis+cluster://127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"
PREFIX = "example:"
USERS = [f"user-{number}" for number in range(1, 51)]


async def remember(store: RedisStore, user: str) -> str:
    """Keep a conversation of two messages; return its thread's id."""
    thread = f"chat-{user}"
    await store.memory.save_thread(Thread(id=thread, resource_id=user))
    said = [("user", f"I am {user}"), ("assistant", "Nice to meet you!")]
    await store.memory.save_messages(
        [Message.from_text(role, text, thread_id=thread, resource_id=user) for role, text in said]
    )
    return thread


def thread_keys(thread: str, messages: list[Message]) -> list[str]:
    """Spell the keys of a thread: the braces say what decides the slot."""
    tag = f"{{{thread}}}"
    bodies = [f"{PREFIX}mastra_messages:threadId:{tag}:id:{message.id}" for message in messages]
    return [f"{PREFIX}mastra_threads:id:{tag}", f"{PREFIX}thread:{tag}:messages", *bodies]


async def show_thread(store: RedisStore, cluster: RedisCluster, thread: str) -> None:
    page = await store.memory.list_messages(thread)
    print(f"1. {thread} says {[message.text for message in page]}. Its keys:")
    for key in thread_keys(thread, page.items):
        node = cluster.get_node_from_key(key)
        there = await cluster.exists(key)
        print(
            f"   slot {cluster.keyslot(key):5}  {node.name if node else '?'}  {there}  {key[:50]}"
        )


def show_nodes(cluster: RedisCluster, threads: list[str]) -> None:
    nodes = [cluster.get_node_from_key(thread_keys(thread, [])[0]) for thread in threads]
    print(f"\n2. {len(threads)} threads, by the node that has them:")
    for name, count in sorted(Counter(node.name for node in nodes if node).items()):
        print(f"   {name}  {count:3}")


async def main() -> None:
    url = sys.argv[1] if sys.argv[1:] else URL
    async with RedisStore(url, key_prefix=PREFIX) as store:
        cluster = cast("RedisCluster", store.get_client())
        threads = await asyncio.gather(*(remember(store, user) for user in USERS))
        await show_thread(store, cluster, threads[0])
        show_nodes(cluster, threads)
        mine = await store.memory.list_threads(resource_id=USERS[0])
        everyone = await store.memory.list_threads(per_page=5)
        print(f"\n3. {USERS[0]} has {mine.total} thread; all users have {everyone.total}.")
        await store.memory.dangerously_clear_all()


if __name__ == "__main__":
    asyncio.run(main())
