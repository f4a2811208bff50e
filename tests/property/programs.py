"""Programs for hypothesis to write: calls on a few ids and a few moments, so that all collide."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from redis_store import DateRange, Include, Message, MessagePatch, Resource, Thread
from redis_store.models import text_content
from tests.property.program_calls import Call, Calls, Drawn, call, listing, one_of, some
from tests.support.records.builders import T0, at, message

MOMENTS = [at(us) for us in (0, 1, 2, 999, 1000, 1001)]
THREADS = ["t0", "t1", "t2", "t3"]
RESOURCES = ["u0", "u1"]
# The last ones stand for messages that clones made, as far as there are any.
MESSAGES = ["m0", "m1", "m2", "m3", "m4", "m5"]
CLONED = ["cloned0", "cloned1", "cloned2"]

moments = st.sampled_from(MOMENTS)
# A clock behind the stored time must move it too: some of these lie ahead of any test run.
updated = st.sampled_from([T0, at(1), datetime.max.replace(year=2250, tzinfo=T0.tzinfo)])
thread_ids = st.sampled_from(THREADS)
resource_ids = st.sampled_from(RESOURCES)
message_ids = st.sampled_from(MESSAGES * 2 + CLONED)
names = st.sampled_from(["a", "b"])
# Mostly the same, so that filters let several messages pass.
metadata: Drawn = st.sampled_from([{}, *[{"a": 1}] * 4, {"a": "1"}, {"a": True}, {"a": None}])
nested: Drawn = st.dictionaries(
    names, st.sampled_from([1, "1", [], [1, {}], {"a": []}]), max_size=2
)
directions = st.sampled_from(["asc", "desc"])
date_ranges = st.builds(
    DateRange,
    start=st.none() | moments,
    end=st.none() | moments.map(lambda moment: moment + timedelta(microseconds=1)),
    start_exclusive=st.booleans(),
    end_exclusive=st.booleans(),
)
scopes = st.sampled_from([*RESOURCES, "", "unknown"])
titles = st.sampled_from([None, "", "title"])
memories = st.sampled_from([None, "", "memory"])
sizes = st.integers(1, 3)


def count(thread: Thread) -> dict[str, Any]:
    return {**thread.metadata, "count": thread.metadata.get("count", 0) + 1}


def refrain(thread: Thread) -> None:
    del thread


rewrites = st.sampled_from([count, refrain])


def append(memory: str | None) -> str:
    return f"{memory or ''}+"


def _contents() -> Drawn:
    return st.builds(text_content, st.sampled_from(["hi", '"}{\\', ""]), st.none() | metadata)


drawn_messages = st.builds(
    Message,
    id=message_ids,
    thread_id=st.sampled_from(THREADS[:3] * 5 + THREADS[3:]),
    resource_id=resource_ids,
    role=st.sampled_from(["user", "assistant"]),
    content=_contents(),
    created_at=moments,
)
# One id may come twice, but not at one place twice: which of the two decides the order is free.
batches = st.lists(
    drawn_messages, max_size=5, unique_by=lambda m: (m.id, m.thread_id, m.created_at)
)

_patch_fields: Drawn = st.fixed_dictionaries(
    {"id": message_ids, "role": st.sampled_from(["user", "tool"])},
    optional={
        "content": _contents() | st.fixed_dictionaries({"metadata": metadata}),
        "type": st.just("v3"),
        "thread_id": thread_ids,
        "resource_id": resource_ids,
        "created_at": moments,
    },
)
patches: st.SearchStrategy[MessagePatch] = _patch_fields.map(lambda fields: MessagePatch(**fields))


def _one_place_each(drawn: list[MessagePatch]) -> list[MessagePatch]:
    """Let only the first patch of a message move it: the order after two moves is free."""
    seen: set[str] = set()
    for patch in drawn:
        if patch.id in seen:
            patch.thread_id = patch.created_at = UNSET
        seen.add(patch.id)
    return drawn


threads = st.builds(
    Thread,
    id=thread_ids,
    resource_id=resource_ids,
    title=st.sampled_from([None, "title"]),
    metadata=nested,
    created_at=st.sampled_from(MOMENTS[:3]),
    updated_at=updated,
)
resources = st.builds(
    Resource,
    id=resource_ids,
    working_memory=memories,
    metadata=nested,
    created_at=moments,
    updated_at=updated,
)

includes = st.lists(
    st.builds(Include, message_ids, st.integers(0, 2), st.integers(0, 2)), max_size=3
)


def _listing(name: str, /, **required: Drawn) -> Calls:
    calls = listing(
        name,
        required,
        direction=directions,
        date_range=date_ranges,
        metadata=metadata,
        include=includes,
        include_total=st.booleans(),
    )
    return calls.map(_uncounted)


def _uncounted(drawn: Call) -> Call:
    """Where no messages are asked for, the total is 0, whether it is asked for or not."""
    if drawn.arguments["per_page"] == 0:
        drawn.arguments.pop("include_total", None)
    return drawn


def _thread_listing(name: str, /, **required: Drawn) -> Calls:
    order_by = st.sampled_from(["created_at", "updated_at"])
    return listing(name, required, direction=directions, order_by=order_by, metadata=nested)


def _cloning(name: str) -> Calls:
    return some(
        name,
        {"source_thread_id": thread_ids, "new_thread_id": thread_ids},
        resource_id=resource_ids,
        title=st.just("clone"),
        metadata=nested,
        message_limit=st.integers(0, 2),
        date_range=date_ranges,
        message_ids=st.lists(message_ids, max_size=3),
    )


_several = st.lists(thread_ids, min_size=1, max_size=4)

# One call of each kind, and how much more often than others it comes.
_writes: list[tuple[int, Calls]] = [
    (8, some("save_messages", {"messages": batches}, create_thread=st.booleans())),
    (4, call("update_messages", patches=st.lists(patches, max_size=4).map(_one_place_each))),
    (1, call("delete_messages", message_ids=st.lists(message_ids, max_size=2))),
    (2, call("pop_message", thread_id=thread_ids)),
    (1, call("save_thread", thread=threads)),
    (1, call("create_thread", thread=threads)),
    (1, call("get_or_create_thread", thread=threads)),
    (1, some("update_thread", {"thread_id": thread_ids}, title=titles, metadata=nested)),
    (1, some("update_thread_metadata", {"thread_id": thread_ids, "update": rewrites})),
    (1, call("update_thread_resource_id", thread_id=thread_ids, resource_id=resource_ids)),
    (1, call("delete_thread", thread_id=thread_ids)),
    (2, _cloning("clone_thread")),
    (1, _cloning("copy_thread")),
    (1, call("save_resource", resource=resources)),
    (1, some("update_resource", {"resource_id": resource_ids}, working_memory=memories)),
    (1, some("update_resource", {"resource_id": resource_ids}, metadata=nested)),
    (1, call("delete_resource", resource_id=resource_ids)),
    (1, call("merge_working_memory", resource_id=resource_ids, merge=st.just(append))),
]
_listings: list[tuple[int, Calls]] = [
    (2, _listing("list_messages", thread_id=thread_ids)),
    (2, _listing("list_messages", thread_id=thread_ids, resource_id=resource_ids | st.just(""))),
    (2, _listing("list_messages", thread_id=_several)),
    (1, _listing("list_messages", thread_id=_several, resource_id=resource_ids)),
    (2, _listing("list_messages_by_resource_id", resource_id=resource_ids)),
    (1, _listing("list_messages_by_resource_id", resource_id=st.sampled_from(["", "unknown"]))),
    (1, call("list_messages_by_id", message_ids=st.lists(message_ids, max_size=4))),
    (1, call("iter_messages", thread_id=thread_ids, direction=directions, batch_size=sizes)),
]
_other_reads: list[tuple[int, Calls]] = [
    (1, some("get_thread_by_id", {"thread_id": thread_ids}, resource_id=scopes)),
    (1, _thread_listing("list_threads")),
    (1, _thread_listing("list_threads", resource_id=scopes)),
    (1, _thread_listing("list_threads_by_resource_id", resource_id=resource_ids)),
    (1, call("get_resource_by_id", resource_id=resource_ids)),
]


_threads = [
    Thread(id=id_, resource_id=owner, created_at=T0, updated_at=T0)
    for id_, owner in (("t0", "u0"), ("t1", "u1"), ("t2", "u0"))
]
START = [
    *[Call("save_thread", {"thread": thread}) for thread in _threads],
    Call("save_messages", {"messages": [message(f"m{i}", thread_id="t0") for i in range(3)]}),
    Call("save_messages", {"messages": [message("m3", thread_id="t1")]}),
]
# Lists of lists, as hypothesis keeps a single list short.
programs = st.lists(
    st.lists(one_of(_writes + _listings + _other_reads), min_size=1, max_size=10), max_size=10
).map(lambda parts: sum(parts, START))


def _inspection(saved: list[Message], asked: list[Call]) -> list[Call]:
    saves = [Call("save_messages", {"messages": [each]}) for each in saved]
    return [*START, *saves, *asked]


# Many questions about what a few calls left.
inspections = st.builds(
    _inspection,
    st.lists(drawn_messages, min_size=4, max_size=10),
    st.lists(one_of(_listings), min_size=1, max_size=40),
)
