"""What can go wrong with stored keys, and how verification names it."""

from typing import NamedTuple

from redis_store._engine.indexes import span
from redis_store._engine.keys import Keys
from redis_store.maintenance import Finding
from tests.support.records.mastra_database import message_ids

FIRST, SECOND, *_, LAST = message_ids("plain")
FAR = 1 << 51


class Damage(NamedTuple):
    """A command that does it, and what must be found then."""

    command: tuple[object, ...]
    finding: Finding


def run_member(keys: Keys) -> str:
    """How indexes name a run that is there."""
    return keys.member(keys.run("workflows", "wf", "r?"))


def damages(k: Keys) -> dict[str, Damage]:
    """Every damage that is tested, by what it leaves, on the keys of one store."""
    run = run_member(k)
    return {
        "a thread that its resource does not list": Damage(
            ("ZREM", k.threads_of("u-2", "created_at"), "%cent"),
            Finding("missing entry", k.threads_of("u-2", "created_at"), "%cent"),
        ),
        "a thread listed with another date": Damage(
            ("ZADD", k.threads_of("u-2", "updated_at"), 5, "%cent"),
            Finding("missing entry", k.threads_of("u-2", "updated_at"), "%cent"),
        ),
        "a thread listed at the end of time": Damage(
            ("ZADD", k.threads_of("u-2", "updated_at"), "+inf", "%cent"),
            Finding("missing entry", k.threads_of("u-2", "updated_at"), "%cent"),
        ),
        "a thread listed under another resource": Damage(
            ("ZADD", k.threads_of("u-1", "created_at"), 5, "%cent"),
            Finding("stale entry", k.threads_of("u-1", "created_at"), "%cent"),
        ),
        "an entry without a name": Damage(
            ("ZADD", k.threads_of("u-1", "created_at"), 5, ""),
            Finding("stale entry", k.threads_of("u-1", "created_at"), ""),
        ),
        "a resource that is not listed": Damage(
            ("DEL", k.resources_shard("u-1")),
            Finding("missing entry", k.resources_shard("u-1"), "u-1"),
        ),
        "a resource that is gone": Damage(
            ("DEL", k.resource("u-1")),
            Finding("stale entry", k.resources_shard("u-1"), "u-1"),
        ),
        "a run that its status does not list": Damage(
            ("ZREM", k.runs_by("status", "running", run)[0], run),
            Finding("missing entry", k.runs_by("status", "running", run)[0], run),
        ),
        "a run listed under another status": Damage(
            ("ZADD", k.runs_by("status", "done", run)[0], 5, run),
            Finding("stale entry", k.runs_by("status", "done", run)[0], run),
        ),
        "a run that is gone": Damage(
            ("DEL", k.of_member(run)),
            Finding("stale entry", k.runs_by("run", "r?")[0], run),
        ),
        "a score that its span does not list": Damage(
            ("ZREM", k.scores_by("span", span("tr*", "sp1"))[0], "s*1"),
            Finding("missing entry", k.scores_by("span", span("tr*", "sp1"))[0], "s*1"),
        ),
        "a score that is gone": Damage(
            ("DEL", k.score("s*1")),
            Finding("stale entry", k.scores_by("run", "run-1")[0], "s*1"),
        ),
        "a message that is gone": Damage(
            ("DEL", k.message("plain", FIRST)),
            Finding("missing body", k.timeline("plain"), FIRST),
        ),
        "a message that the order does not name": Damage(
            ("ZREM", k.timeline("plain"), FIRST),
            Finding("orphan body", k.message("plain", FIRST)),
        ),
        "a message whose thread is gone": Damage(
            ("DEL", k.thread("plain")),
            Finding("orphan body", k.message("plain", FIRST)),
        ),
        "an order that is lost": Damage(
            ("DEL", k.timeline("plain")),
            Finding("orphan body", k.message("plain", FIRST)),
        ),
        "two messages with one score": Damage(
            ("ZADD", k.timeline("plain"), FAR, FIRST, FAR, SECOND),
            Finding("wrong order", k.timeline("plain"), FIRST),
        ),
        "a message that stands before older ones": Damage(
            ("ZADD", k.timeline("plain"), 1, LAST),
            Finding("wrong order", k.timeline("plain"), LAST),
        ),
        "a message at the end of time": Damage(
            ("ZADD", k.timeline("plain"), "+inf", FIRST),
            Finding("wrong order", k.timeline("plain"), FIRST),
        ),
        "an id that is not indexed": Damage(
            ("DEL", k.message_pointer(FIRST)),
            Finding("missing id index", k.message_pointer(FIRST), FIRST),
        ),
        "an id that leads to another thread": Damage(
            ("SET", k.message_pointer(FIRST), "%cent"),
            Finding("missing id index", k.message_pointer(FIRST), FIRST),
        ),
        "an id that leads nowhere": Damage(
            ("SET", k.message_pointer("ghost"), "plain"),
            Finding("stale id index", k.message_pointer("ghost")),
        ),
        "counts that are wrong": Damage(
            ("HSET", k.resource_counts("plain"), "u-2", 9),
            Finding("wrong counts", k.resource_counts("plain")),
        ),
        "counts of a thread without messages": Damage(
            ("HSET", k.resource_counts("\\"), "u-2", 9),
            Finding("wrong counts", k.resource_counts("\\")),
        ),
        "counts of no thread": Damage(
            ("HSET", k.resource_counts("ghost"), "u-2", 0),
            Finding("wrong counts", k.resource_counts("ghost")),
        ),
        "a resource that does not know of its messages": Damage(
            ("ZREM", k.threads_with_messages_of("u-2"), "plain"),
            Finding("missing entry", k.threads_with_messages_of("u-2"), "plain"),
        ),
        "a resource that knows a thread without messages of it": Damage(
            ("ZADD", k.threads_with_messages_of("u-1"), 5, "%cent"),
            Finding("stale entry", k.threads_with_messages_of("u-1"), "%cent"),
        ),
    }
