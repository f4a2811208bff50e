"""Two users with records of every kind, in threads of their own, each other's and a third one's."""

import json
from typing import Any

from redis_store import Erased, RedisStore, Resource
from tests.support.records.builders import T0, message, thread
from tests.support.records.scores import score
from tests.support.records.workflow_runs import persist
from tests.support.wire.raw import Raw, typed_values

# What erasing either of them removes.
ALL = Erased(threads=2, messages=7, runs=2, scores=2, resources=1)


def total(erased: Erased) -> int:
    """How many records were removed."""
    return sum((erased.threads, erased.messages, erased.runs, erased.scores, erased.resources))


async def furnish(store: RedisStore, *users: str, host: str = "host") -> None:
    """Store the same for each user: ids start with the user's, as all that only it has.

    Each has two threads, one of them empty, the other with messages of its own and of the host; and
    messages in a thread of the host, to which the other users write too.
    """
    await store.memory.save_thread(thread("shared", host))
    await store.memory.save_messages(
        [message(f"m{n}", 10 * n, thread_id="shared", resource_id=host) for n in range(3)]
    )
    for at, user in enumerate(users):
        await _furnish_user(store, user, at, host)
    # Not when messages came, but always the same.
    for user in users:
        await store.memory.save_thread(thread(f"{user}-thread", user, title=user))
    await store.memory.save_thread(thread("shared", host))


async def _furnish_user(store: RedisStore, user: str, at: int, host: str) -> None:
    memory = store.memory
    own, empty = f"{user}-thread", f"{user}-empty"
    await memory.save_thread(thread(own, user, title=user))
    await memory.save_thread(thread(empty, user))
    await memory.save_messages(
        [
            *(message(f"{user}-{n}", n, thread_id=own, resource_id=user) for n in range(3)),
            message(f"{user}-guest", 9, thread_id=own, resource_id=host),
            *(
                message(f"{user}-s{n}", 10 * n + at, thread_id="shared", resource_id=user)
                for n in range(3)
            ),
        ]
    )
    memo = Resource(
        id=user, working_memory=user, metadata={"a": user}, created_at=T0, updated_at=T0
    )
    await memory.save_resource(memo)
    for n in range(2):
        await persist(store, f"{user}-run{n}", n, workflow=f"w{n}", resource_id=user, note=user)
        await store.scores.save_score(score(f"{user}-score{n}", n, resource_id=user))
    await persist(store, "nobody's run")
    await store.scores.save_score(score("nobody's score", 1))


async def mentions(raw: Raw, prefix: str, text: str) -> list[str]:
    """The keys that mention a text: in their name, or in what is stored, as it is or in JSON."""
    escaped = json.dumps(text)[1:-1].encode()
    spelled = {text.encode(), escaped, json.dumps(text, ensure_ascii=False)[1:-1].encode()}
    found: list[str] = []
    for key, (_, value) in (await typed_values(raw, prefix)).items():
        parts: list[bytes] = [key.removeprefix(prefix).encode(), *_parts(value)]
        if any(each in part for part in parts for each in spelled):
            found.append(key)
    return found


def _parts(value: Any) -> list[bytes]:
    return [value] if isinstance(value, bytes) else list(value or ())
