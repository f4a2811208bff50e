"""A database as a Mastra app leaves it: records, orders and id indexes, nothing of our own."""

import json
from datetime import timedelta
from typing import Any

from redis_store._engine.keys import Keys
from tests.support.records.builders import T0
from tests.support.records.workflow_runs import record
from tests.support.wire.raw import Raw

# By thread, its resource and when its messages were created, in ms. The ids hold what globs, hash
# tags and keys give a meaning.
THREADS: dict[str, tuple[str, list[int]]] = {
    "plain": ("u-1", [0, 0, 1, 5, 700]),
    "a*b?[c]": ("u-1", [3, 4]),
    "x:messages": ("u*", [2, 2]),
    "}brace": ("u-2", [1]),
    "%cent": ("u-2", [6, 9, 9]),
    "{tag}": ("ü:3", [8]),
    "\\": ("u[1-2]", []),
}
WORKFLOWS = ("wf", "w*", "[w]")
RUN_IDS = ("run-1", "r?")


def iso(ms: int) -> str:
    """Spell a date as JavaScript does."""
    moment = T0 + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dates(ms: int) -> dict[str, str]:
    """When a record was created and, 50 ms later, updated."""
    return {"createdAt": iso(ms), "updatedAt": iso(ms + 50)}


def message_ids(thread_id: str) -> list[str]:
    """The ids of a thread's messages."""
    return [f"{thread_id}:id:m*{at}" for at, _ in enumerate(THREADS[thread_id][1])]


def score(number: int, **fields: Any) -> dict[str, Any]:
    """Build the stored form of a score."""
    known: dict[str, Any] = {
        "id": f"s*{number}",
        "scorerId": f"scorer[{number % 2}]",
        "entityId": f"e?{number % 2}",
        "runId": f"run-{number % 3}",
        "score": number / 4,
        "scorer": {"id": "x"},
        "entity": {"id": "e"},
        "source": "LIVE",
        "output": {"a": number},
        "traceId": "tr*",
        "spanId": f"sp{number % 2}",
    }
    return known | dates(number // 2) | fields


def strings(keys: Keys) -> dict[str, object]:
    """Every record by key; what is no string is stored as JSON."""
    found: dict[str, object] = {}
    for at, (id_, (resource_id, _)) in enumerate(THREADS.items()):
        fields = {"id": id_, "resourceId": resource_id, "title": id_, "metadata": {"n": at}}
        found[keys.thread(id_)] = fields | dates(at // 2)
        found |= _messages(keys, id_)
    for resource_id in ("u-1", "u*"):
        fields = {"id": resource_id, "workingMemory": "m", "metadata": '{"a":1}'}
        found[keys.resource(resource_id)] = fields | dates(0)
    for at, (workflow, run_id) in enumerate((w, r) for w in WORKFLOWS for r in RUN_IDS):
        run = record(run_id, workflow, **dates(at // 2))
        run["snapshot"]["status"] = "running" if at % 2 else "s*"
        key = keys.run("workflows", workflow, run_id)
        if at % 3 == 0:
            run["resourceId"] = "u*"
            key += keys.run_suffix("u*")
        found[key] = run
    return found | {keys.score(f"s*{n}"): score(n) for n in range(6)}


def _messages(keys: Keys, thread_id: str) -> dict[str, object]:
    resource_id, created = THREADS[thread_id]
    found: dict[str, object] = {}
    for at, (id_, ms) in enumerate(zip(message_ids(thread_id), created, strict=True)):
        found[keys.message_pointer(id_)] = thread_id
        found[keys.message(thread_id, id_)] = {
            "id": id_,
            "threadId": thread_id,
            # The first thread holds messages of two resources.
            "resourceId": "u-2" if thread_id == "plain" and at % 2 else resource_id,
            "role": "user",
            "type": "v2",
            "createdAt": iso(ms),
            "content": {"format": 2, "parts": [{"type": "text", "text": f"{at}"}]},
        }
    return found


async def load(raw: Raw, keys: Keys) -> None:
    """Store all of it."""
    values = [
        item
        for key, value in strings(keys).items()
        for item in (key, value if isinstance(value, str) else json.dumps(value))
    ]
    await raw("MSET", *values)
    start = round(T0.timestamp()) * 1_000_000
    await raw.many(
        *(
            ("ZADD", keys.timeline(thread_id), start + ms * 1000 + at, id_)
            for thread_id, (_, created) in THREADS.items()
            for at, (id_, ms) in enumerate(zip(message_ids(thread_id), created, strict=True))
        )
    )
