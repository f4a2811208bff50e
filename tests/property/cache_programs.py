"""Programs of the cache: few keys, so that values, lists and counters meet under one."""

from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.property.program_calls import BAD_IDS, Call, Calls, Drawn, call, one_of, some, spoiled
from tests.support.records.json_values import json_values

# Two have a tag in common; all but the counters take any value.
KEYS = ["k", "k*", "{k}"]
COUNTERS = ["n", "{k}n"]
# What another writer may have stored: none of it is JSON, or none that is a counter.
TEXTS = ["text", "NaN", "[1", "007", "1.5", '"5"', "-0", " 1", "9223372036854775807"]

keys = st.sampled_from(KEYS)
counters = st.sampled_from(COUNTERS)
any_key = st.sampled_from(KEYS * 2 + COUNTERS)
numbers = st.sampled_from([0, -3, 9, 2**53, 2**63 - 2, 2**63 - 1, -(2**63) - 1])
values: Drawn = st.one_of(
    st.sampled_from([None, False, True, "", "5", "null", '{"a":1}', -0.0, 1.0, [], {}, "é😀\x00"]),
    json_values,
)
objects: Drawn = st.dictionaries(
    st.sampled_from(["index", "a", '"index":']), st.sampled_from([1, None, {"index": 7}, "}"])
)
positions = st.sampled_from([*range(-4, 5), -99, 99])
# Long enough that no program outlives them.
times: Drawn = st.sampled_from(
    [None, timedelta(0), timedelta(days=-1), timedelta(seconds=90, microseconds=999), timedelta(9)]
)


class Case(NamedTuple):
    """A program, the store's time to live, and the texts that others left."""

    ttl: timedelta | None
    texts: dict[str, str]
    program: list[Call]


_set = some("set", {"key": keys, "value": values}, ttl=times)
_push = call("list_push", key=keys, value=values)
_push_indexed = call("list_push_indexed", list_key=any_key, counter_key=counters, value=objects)
_from_to = some("list_from_to", {"key": any_key, "start": positions}, stop=positions)


_no_json: list[Any] = [float("nan"), [float("inf")], object, {"a": object}]
_no_ints: list[Any] = [None, "0", 1.0, True]
_wrong: list[tuple[int, Calls]] = [
    (1, spoiled(_set, key=BAD_IDS, value=_no_json, ttl=[5, 0, "5"])),
    (1, spoiled(_push, key=BAD_IDS, value=_no_json)),
    (1, spoiled(_push_indexed, list_key=BAD_IDS, counter_key=BAD_IDS)),
    (1, spoiled(_push_indexed, value=[None, [], "{}", *_no_json])),
    (1, spoiled(_from_to, key=BAD_IDS, start=_no_ints, stop=_no_ints)),
    (1, spoiled(call("increment", key=keys), key=BAD_IDS)),
    *((1, spoiled(call(name, key=keys), key=BAD_IDS)) for name in ("get", "list_length", "delete")),
]
_calls: list[tuple[int, Calls]] = [
    (3, _set),
    (3, some("set", {"key": keys, "value": numbers}, ttl=times)),
    (2, call("set", key=counters, value=st.integers(-3, 9))),
    (6, _push),
    (4, _push_indexed),
    (5, call("increment", key=any_key)),
    (2, call("delete", key=any_key)),
    (2, call("get", key=any_key)),
    (1, call("list_length", key=any_key)),
    (4, _from_to),
    (1, call("clear")),
    (2, one_of(_wrong)),
]
programs = st.lists(st.lists(one_of(_calls), min_size=1, max_size=8), min_size=1, max_size=5).map(
    lambda parts: sum(parts, list[Call]())
)
cases = st.builds(
    Case,
    st.sampled_from([timedelta(minutes=5), timedelta(hours=1), None]),
    st.dictionaries(keys, st.sampled_from(TEXTS), max_size=2),
    programs,
)
