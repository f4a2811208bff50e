"""Steps of ``lua/commit.lua``, one builder each, grouped as in ``lua/steps/``.

A builder's docstring is the header of its step in Lua: its effect, its KEYS and ARGV in order, and
its reply if it has one. If a condition fails, the commit is refused: nothing is written, and the
caller gets the keys that conflicted. All conditions come before all writes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha1
from operator import attrgetter
from typing import NamedTuple

import msgspec

from redis_store._connections.commands import Argument, Command
from redis_store._engine.fingerprints import Fingerprint
from redis_store._engine.splices import Splice
from redis_store._engine.timestamps import iso


class Step(NamedTuple):
    """One step of a commit, with the KEYS and ARGV it takes."""

    name: str
    keys: list[str]
    args: list[Argument]


class Body(NamedTuple):
    """A message as ``put_messages`` stores it."""

    id: str
    created_us: int
    resource_id: str
    json: bytes


_created_us = attrgetter("created_us")


# Conditions


def is_zset(keys: Sequence[str]) -> Step:
    """Fail before anything is written unless each key is a sorted set or missing.

    KEYS: n keys. ARGV: n.
    """
    return Step("is_zset", [*keys], [len(keys)])


def is_hash(keys: Sequence[str]) -> Step:
    """Fail before anything is written unless each key is a hash or missing.

    KEYS: n keys. ARGV: n.
    """
    return Step("is_hash", [*keys], [len(keys)])


def declare_keys(keys: Sequence[str]) -> Step:
    """Declare keys that later steps build from a prefix.

    While their slot migrates, a cluster node then answers TRYAGAIN if it lacks one of them, instead
    of running the script on half a thread.

    KEYS: n keys. ARGV: n.
    """
    return Step("declare_keys", [*keys], [len(keys)])


def declare_messages(timeline: str, prefix: str) -> Step:
    """Declare all messages of a thread, as `declare_keys` does; their ids stay on the server.

    KEYS: timeline. ARGV: body prefix.
    """
    return Step("declare_messages", [timeline], [prefix])


def expect(values: Mapping[str, bytes | None]) -> Step:
    """Refuse unless each string has its value.

    KEYS: n strings. ARGV: n, n values ('' for a missing string).
    """
    return Step("expect", [*values], [len(values), *(value or b"" for value in values.values())])


def expect_digest(values: Mapping[str, bytes]) -> Step:
    """Refuse unless each string has its digest, which is sent in place of a long value.

    KEYS: n strings. ARGV: n, n SHA-1 digests in hex.
    """
    # The digest guards against races, not attacks.
    digests = [sha1(value, usedforsecurity=False).hexdigest() for value in values.values()]
    return Step("expect_digest", [*values], [len(values), *digests])


def expect_fingerprint(values: Mapping[str, Fingerprint]) -> Step:
    """Refuse unless each string has its fingerprint, which stands for a large value.

    A conflict has the current fingerprint in place of the value.

    KEYS: n strings. ARGV: n, n fingerprints.
    """
    return Step("expect_fingerprint", [*values], [len(values), *values.values()])


def expect_present(keys: Sequence[str]) -> Step:
    """Refuse unless each string exists.

    KEYS: n strings. ARGV: n.
    """
    return Step("expect_present", [*keys], [len(keys)])


def expect_owner(record: str, resource_id: str) -> Step:
    """Refuse unless the thread exists and belongs to the resource.

    KEYS: thread record. ARGV: resource id.
    """
    return Step("expect_owner", [record], [resource_id])


def expect_no_other_owner(record: str, resource_id: str) -> Step:
    """Refuse if the thread exists and belongs to another resource.

    KEYS: thread record. ARGV: resource id.
    """
    return Step("expect_no_other_owner", [record], [resource_id])


def expect_field(key: str, field: str, values: Sequence[str | bytes] = ()) -> Step:
    """Refuse unless the field has one of n values ('' for a missing one), or exists if n is 0.

    KEYS: hash. ARGV: field, n, n values.
    """
    return Step("expect_field", [key], [field, len(values), *values])


def expect_score(key: str, member: str, score: float | None) -> Step:
    """Refuse unless the sorted set has the member with this score ('' if it is missing).

    KEYS: sorted set. ARGV: member, score.
    """
    return Step("expect_score", [key], [member, "" if score is None else score])


def unclaimed(pointers: Sequence[str], thread_id: str) -> Step:
    """Refuse unless each message pointer is missing or names the thread; see `claim`.

    KEYS: n message pointers. ARGV: n, thread id.
    """
    return Step("unclaimed", [*pointers], [len(pointers), thread_id])


# Writes of one or more keys


def claim() -> Step:
    """Point messages at their thread: those of the first `unclaimed` that has no `claim` yet.

    The two pair up in order, so that pointers are sent once, not twice.

    KEYS: none. ARGV: none.
    """
    return Step("claim", [], [])


def set_strings(values: Mapping[str, bytes | str]) -> Step:
    """Store strings. A key that expires keeps its lifetime.

    KEYS: n strings. ARGV: n, n values.
    """
    return Step("set_strings", [*values], [len(values), *values.values()])


def splice(key: str, splices: Sequence[Splice]) -> Step:
    """Replace parts of a string, so that only the changes are sent. The key keeps its lifetime.

    KEYS: string. ARGV: n, n times (bytes to keep, bytes to drop, text in their place).
    """
    return Step("splice", [key], [len(splices), *(value for each in splices for value in each)])


def splice_in_place(key: str, splices: Sequence[Splice]) -> Step:
    """Replace parts of a large string, as `splice` does.

    What is before the first change is not touched, here and on replicas.

    KEYS: string. ARGV: n, n times (bytes to keep, bytes to drop, text in their place).
    """
    return splice(key, splices)._replace(name="splice_in_place")


def delete(keys: Sequence[str]) -> Step:
    """Delete keys of any type.

    KEYS: n keys. ARGV: n.
    """
    return Step("delete", [*keys], [len(keys)])


def command(command: Command) -> Step:
    """Run a command that has one key, as its first argument.

    KEYS: its key. ARGV: its name, n, its n other arguments.
    """
    name, key, *args = command
    return Step("command", [str(key)], [name, len(args), *args])


# Writes of messages


def put_messages(timeline: str, counts: str, prefix: str, bodies: Sequence[Body]) -> Step:
    """Store messages, each at its place in the timeline, and count them by resource.

    KEYS: timeline, counts. ARGV: body prefix, n, m, n ids, n dates (created_at in µs, ascending),
    n bodies, m times (resource id, how many of the n have it).
    """
    bodies = sorted(bodies, key=_created_us)
    counted = Counter([body.resource_id for body in bodies])
    args: list[Argument] = [prefix, len(bodies), len(counted)]
    args += [body.id for body in bodies]
    args += [body.created_us for body in bodies]
    args += [body.json for body in bodies]
    for resource_id, count in counted.items():
        args += (resource_id, count)
    return Step("put_messages", [timeline, counts], args)


def drop_messages(timeline: str, counts: str, prefix: str, ids: Sequence[str]) -> Step:
    """Remove messages.

    KEYS: timeline, counts. ARGV: body prefix, n, n ids. Reply: how many existed.
    """
    return Step("drop_messages", [timeline, counts], [prefix, len(ids), *ids])


# Writes of a thread as a whole


def create_thread(record: str, json: bytes, scores: Mapping[str, int], thread_id: str) -> Step:
    """Make a thread, and list it, unless it exists.

    KEYS: thread record, n indexes. ARGV: record in JSON, n, n scores, thread id. Reply: 1 if it was
    made, 0 if it exists.
    """
    args: list[Argument] = [json, len(scores), *scores.values(), thread_id]
    return Step("create_thread", [record, *scores], args)


def set_resource(timeline: str, counts: str, prefix: str, resource_id: str) -> Step:
    """Set the resource id of all messages of a thread.

    KEYS: timeline, counts. ARGV: body prefix, resource id in JSON, resource id.
    """
    json = msgspec.json.encode(resource_id)
    return Step("set_resource", [timeline, counts], [prefix, json, resource_id])


def drop_all_messages(
    timeline: str, counts: str, prefix: str, pointer_prefix: str, thread_id: str
) -> Step:
    """Remove a thread's messages, but not its record.

    KEYS: timeline, counts. ARGV: body prefix, message pointer prefix ('' if the pointers are in
    other slots), thread id. Reply: the messages whose pointers are in other slots.
    """
    return Step("drop_all_messages", [timeline, counts], [prefix, pointer_prefix, thread_id])


def touch(record: str, indexes: Sequence[str], now_us: int, thread_id: str) -> Step:
    """Advance a thread's updated_at: to now, or by 1 µs if it is now or later. Also in its indexes.

    KEYS: thread record, n indexes. ARGV: now in µs, now in ISO 8601, n, thread id. Reply: nothing
    if the thread is missing; else updated_at in µs and, if n is 0, the thread's resource id.
    """
    return Step("touch", [record, *indexes], [now_us, iso(now_us), len(indexes), thread_id])


def extend(  # noqa: PLR0917 - in the order of KEYS and ARGV
    record: str,
    timeline: str,
    counts: str,
    prefix: str,
    pointer_prefix: str,
    ttl_ms: int,
    ids: Sequence[str],
) -> Step:
    """Extend a thread's lifetime: see `extend_lifetime` in `lib/lifetime.lua`.

    KEYS: thread record, timeline, counts. ARGV: body prefix, message pointer prefix ('' if the
    pointers are in other slots), ttl in ms, n, n ids just written. Reply: ms left, and the ids of
    the messages whose lifetime was set.
    """
    keys = [record, timeline, counts]
    return Step("extend", keys, [prefix, pointer_prefix, ttl_ms, len(ids), *ids])


# Writes of a log


class Tokens(NamedTuple):
    """How many tokens of appends a log keeps, and for how long after the last one."""

    kept: int
    ms: int


def append_log(  # noqa: PLR0917 - in the order of KEYS and ARGV
    head: str,
    items: str,
    tokens: str,
    us: int,
    token: str,
    keeps: Tokens,
    bodies: Sequence[bytes],
    fields: Mapping[str, str | bytes],
) -> Step:
    """Append items to a log, set fields of its head, and keep the token of the append.

    KEYS: head, items, tokens. ARGV: now in µs, token, how many tokens are kept, for how many ms,
    n, m, n items, m fields and values in turn.
    """
    parts = [part for field in fields.items() for part in field]
    args: list[Argument] = [us, token, *keeps, len(bodies), len(parts), *bodies, *parts]
    return Step("append_log", [head, items, tokens], args)
