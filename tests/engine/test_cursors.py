"""Cursors as strings: what they hold, and what is refused."""

from base64 import urlsafe_b64encode
from urllib.parse import quote
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_store import InvalidArgumentError
from redis_store._cursors import Cursor, Scope, beside, decode, encode

SCOPE = Scope("messages", "t", descending=False)
PLACE = Cursor(5, 7, ("a", "b"), follows=True, is_complete=False)


def place(*ids: str, us: int = 5, follows: bool = True, is_complete: bool = False) -> Cursor:
    return Cursor(us, 7, ids, follows, is_complete)


def text_of(value: object) -> str:
    """Spell a cursor with a right checksum, whatever it holds."""
    body = value if isinstance(value, bytes) else msgspec.msgpack.encode(value)
    return urlsafe_b64encode(crc32(body).to_bytes(4, "big") + body).rstrip(b"=").decode()


@given(
    ids=st.lists(st.text(min_size=1).filter(str.isprintable), min_size=1, max_size=16),
    us=st.integers(-(2**53), 2**53),
    follows=st.booleans(),
    is_complete=st.booleans(),
)
def test_a_cursor_comes_back_and_needs_no_quoting(
    ids: list[str], us: int, *, follows: bool, is_complete: bool
) -> None:
    cursor = Cursor(us, -us, tuple(ids), follows, is_complete)
    text = encode(SCOPE, cursor)
    assert decode("after", text, SCOPE) == cursor
    assert quote(text, safe="") == text


def test_a_cursor_fits_into_a_url() -> None:
    """Of many ids those next to the place are kept, so the others are not all of that date."""
    many = place(*(f"{n:036}" for n in range(99)), is_complete=True)
    text = encode(SCOPE, many)
    assert decode("after", text, SCOPE) == place(*many.ids[:16])
    assert len(text) < 1000
    long = place("a" * 1024, "b" * 1024)
    assert decode("after", encode(SCOPE, long), SCOPE).ids == long.ids[:1]
    assert len(encode(SCOPE, long)) < 1500


def test_another_writers_id_with_half_a_surrogate_pair_gives_a_cursor() -> None:
    assert decode("after", encode(SCOPE, place("\ud83d", "b")), SCOPE).ids == ("?", "b")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Scope("messages", "t2", descending=False), "another thread"),
        (Scope("messages", "t", descending=True), "another direction"),
        (Scope("created_at", "t", descending=False), "another listing"),
    ],
)
def test_a_cursor_of_another_listing_of_messages_is_refused_by_name(
    other: Scope, named: str
) -> None:
    for given_, wanted in ((SCOPE, other), (other, SCOPE)):
        with pytest.raises(InvalidArgumentError, match=f"after is a cursor of {named}") as caught:
            decode("after", encode(given_, PLACE), wanted)
        assert caught.value.code == "INVALID_AFTER"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Scope("created_at", None, descending=True), "another resource_id"),
        (Scope("created_at", "v", descending=True), "another resource_id"),
        (Scope("updated_at", "u", descending=True), "another order_by"),
        (Scope("created_at", "u", descending=False), "another direction"),
    ],
)
def test_a_cursor_of_another_listing_of_threads_is_refused_by_name(
    other: Scope, named: str
) -> None:
    scope = Scope("created_at", "u", descending=True)
    for given_, wanted in ((scope, other), (other, scope)):
        with pytest.raises(InvalidArgumentError, match=f"before is a cursor of {named}"):
            decode("before", encode(given_, PLACE), wanted)


def test_any_damage_is_noticed() -> None:
    text = encode(SCOPE, PLACE)
    damaged = {text[:n] for n in range(len(text))} | {f"{text}{end}" for end in "A=\n é"}
    damaged |= {f"{text[:n]}{other}{text[n + 1 :]}" for n in range(len(text)) for other in "Aa-_ é"}
    damaged |= {text.swapcase(), f" {text}", f"{text}==", text[::-1]}
    for wrong in damaged - {text}:
        with pytest.raises(InvalidArgumentError, match="after"):
            decode("after", wrong, SCOPE)


_FORGED: list[object] = [
    [],
    {},
    None,
    "x",
    ["messages", b"", False, None],
    ["messages", b"", False, []],
    ["messages", b"", False, [5, 7, [], True, False]],
    ["messages", b"", False, [5, 7, [1], True, False]],
    ["messages", b"", False, [5, 7, ["a"], 1, False]],
    ["messages", b"", False, [5.5, 7, ["a"], True, False]],
    ["messages", b"", False, [2**54, 7, ["a"], True, False]],
    ["messages", b"", False, [5, -(2**63), ["a"], True, False]],
    ["messages", b"", False, [5, 7, ["a"], True, False, "more"]],
    ["messages", b"", False, [5, 7, ["a"], True, False], "more"],
    b"\x91" * 4000,
    b"\x95\xa8messages\xc4\x00\xc2\x95\x05\x07\x91\xa1a\xc3\xc2" + b"\x91" * 4000,
    b"\xdd\xff\xff\xff\xff",
]


@pytest.mark.parametrize("value", _FORGED, ids=lambda value: repr(value)[:60])
def test_a_forged_cursor_is_refused(value: object) -> None:
    """Whatever is in it, under a right checksum."""
    with pytest.raises(InvalidArgumentError, match="after"):
        decode("after", text_of(value), SCOPE)


@pytest.mark.parametrize("value", ["", 0, 7, True, b"x", [], {}, object(), "x" * 10**6, "\ud83d"])
def test_what_is_no_cursor_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="after"):
        decode("after", value, SCOPE)


@given(st.one_of(st.text(), st.binary().map(text_of), st.binary().map(lambda raw: raw.hex())))
def test_no_input_does_any_harm(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        decode("after", text, SCOPE)


def test_a_cursor_names_the_records_of_the_nearest_date() -> None:
    """And knows whether there may be more of that date beyond them."""
    run = [(5, "c"), (5, "b"), (4, "a")]
    assert beside(run, 7, follows=True, is_all=False) == place("c", "b", is_complete=True)
    assert beside(run[:2], 7, follows=True, is_all=False) == place("c", "b")
    assert beside(run[:2], 7, follows=True, is_all=True) == place("c", "b", is_complete=True)


@pytest.mark.parametrize(
    ("beyond", "expected"),
    [
        (place("a"), place("c", "b", "a")),
        (place("a", is_complete=True), place("c", "b", "a", is_complete=True)),
        (place("a", us=4), place("c", "b", is_complete=True)),
        (place("a", follows=False), place("c", "b")),
    ],
)
def test_a_cursor_continues_the_one_that_its_page_was_read_from(
    beyond: Cursor, expected: Cursor
) -> None:
    """If that one is on the far side, it tells which records of the date were there."""
    run = [(5, "c"), (5, "b")]
    assert beside(run, 7, follows=True, is_all=False, beyond=beyond) == expected


def test_a_long_run_of_one_date_is_not_named_whole() -> None:
    run = [(5, str(n)) for n in range(101)]
    assert beside(run[:100], 7, follows=True, is_all=True).is_complete
    assert not beside(run, 7, follows=True, is_all=True).is_complete


def test_the_bound_is_the_score_of_the_farthest_record_named() -> None:
    """Scores rise by one at least, from record to record."""
    assert place("c", "b", "a").bound == 5
    assert place("a", "b", "c", follows=False).bound == 9
    assert place("a", is_complete=True).bound == float("-inf")
    assert place("a", follows=False, is_complete=True).bound == float("inf")
