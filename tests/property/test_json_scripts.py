"""The Lua under the scripts, run on a server: fields of JSON, and dates."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redis_store._engine.scripts import source
from redis_store._engine.timestamps import epoch_us
from tests.support.deployments.servers import Server
from tests.support.wire.raw import Raw

JSON = source("lib/json")
TIME = source("lib/time")

NAME = "createdAt"


@pytest.fixture(scope="module")
async def raw(servers: Mapping[str, Server]) -> AsyncIterator[Raw]:
    """A client of any one server."""
    async with Raw(next(iter(servers.values())).url) as client:
        yield client


# Names and texts that look like the field, its end, or the end of anything.
_HOSTILE = st.lists(st.sampled_from([NAME, *'"\\{}[]:,/ \n\x00é😀', '":"', "\\u0022"]), max_size=4)
texts = _HOSTILE.map("".join) | st.text(max_size=8)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
keys = st.just(NAME) | texts
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)
documents = st.dictionaries(keys, values, max_size=5) | values
spacings = st.fixed_dictionaries(
    {
        "separators": st.sampled_from([(",", ":"), (" ,\t", "\r\n: "), (", ", ": ")]),
        "indent": st.sampled_from([None, 1]),
        "ensure_ascii": st.booleans(),
    }
)


def _field(document: Any) -> str | None:
    value = cast("dict[str, Any]", document).get(NAME) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


@given(document=documents, spacing=spacings)
@example(document={"a": NAME, NAME: "x"}, spacing={})
@example(document={"a": {NAME: "no"}, "b": [NAME, {NAME: "no"}], NAME: "yes"}, spacing={})
@example(document={"\\": '"', f'"{NAME}': "no", NAME: '\\"'}, spacing={})
@example(document=[NAME, "x"], spacing={})
@settings(max_examples=200, deadline=None, print_blob=True)
async def test_a_field_of_a_record_is_found_in_any_json(
    document: Any, spacing: dict[str, Any], raw: Raw
) -> None:
    stored = json.dumps(document, **spacing).encode()
    found = await raw("EVAL", f"{JSON} return {{string_field(ARGV[1], ARGV[2])}}", 0, stored, NAME)
    expected = _field(document)
    assert found == ([] if expected is None else [expected.encode()])


@given(document=documents, spacing=spacings)
@settings(max_examples=200, deadline=None, print_blob=True)
async def test_a_field_of_a_record_is_replaced_and_no_byte_beside_it(
    document: Any, spacing: dict[str, Any], raw: Raw
) -> None:
    stored = json.dumps(document, **spacing).encode()
    found = await raw("EVAL", f"{JSON} return {{field_span(ARGV[1], ARGV[2])}}", 0, stored, NAME)
    if _field(document) is None:
        assert found == []
    else:
        first, last = found
        changed = json.loads(stored[: first - 1] + b'"new"' + stored[last:])
        assert changed == {**document, NAME: "new"}
        assert list(changed) == list(document)


# What a sorted set's score can hold: 1684 to 2255.
@given(us=st.integers(-(2**53) + 1, 2**53 - 1))
@example(us=-(2**53) + 1)
@example(us=-1)
@example(us=0)
@example(us=2**53 - 1)
@example(us=epoch_us(datetime(1900, 3, 1, tzinfo=UTC)))
@example(us=epoch_us(datetime(2000, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)))
@settings(max_examples=200, deadline=None, print_blob=True)
async def test_dates_are_the_same_here_and_on_the_server(us: int, raw: Raw) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    second = f"{moment:%Y-%m-%dT%H:%M:%S}"
    micro, milli = moment.microsecond, moment.microsecond // 1000
    source = f"{TIME} return {{{', '.join(map(_to_us, (1, 2, 3)))}, to_iso(tonumber(ARGV[4]))}}"
    written = (f"{second}.{micro:06}Z", f"{second}.{milli:03}Z", f"{second}Z")
    found = await raw("EVAL", source, 0, *written, us)
    meant = (moment, moment.replace(microsecond=milli * 1000), moment.replace(microsecond=0))
    assert found == [*(b"%d" % epoch_us(date) for date in meant), written[0].encode()]


def _to_us(n: int) -> str:
    return f"string.format('%.0f', to_us(ARGV[{n}]))"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-15",
        "2026-01-15T09:30:00",
        "2026-01-15T09:30:00+00:00",
        "2026-01-15 09:30:00Z",
        "26-01-15T09:30:00Z",
        "x2026-01-15T09:30:00Z",
        "2026-01-15T09:30:00Zx",
    ],
)
async def test_what_is_no_date_in_utc_has_no_microseconds(text: str, raw: Raw) -> None:
    assert await raw("EVAL", f"{TIME} return {{to_us(ARGV[1])}}", 0, text) == []
