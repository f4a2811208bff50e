from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from redis_store import DateRange, Include, InvalidArgumentError, Message, Page, json_values
from redis_store._engine.arguments import (
    check_choice,
    check_date,
    check_date_range,
    check_includes,
    check_metadata,
    check_paging,
    check_scalars,
)
from redis_store._engine.operations import named
from redis_store._engine.timestamps import epoch_us, from_epoch_us
from redis_store.json_values import has_fields
from tests.support.records.builders import T0, at


def test_a_page_has_a_length_and_iterates_over_its_items() -> None:
    page = Page(items=["a", "b"], total=2, page=0, per_page=None, has_more=False)
    assert len(page) == 2
    assert list(page) == ["a", "b"]


@pytest.mark.parametrize(
    ("page", "per_page"),
    [(-1, 10), (0, -1), ("0", 10), (0, 1.0), (True, 10), (None, 10), (1, None)],
)
def test_a_wrong_page_is_refused(page: Any, per_page: Any) -> None:
    """PAGE-01: negative or non-int, and a page number without a size."""
    with pytest.raises(InvalidArgumentError) as caught, named("op"):
        check_paging(page, per_page)
    assert caught.value.code in {"OP_INVALID_PAGE", "OP_INVALID_PER_PAGE"}


@pytest.mark.parametrize(
    ("page", "per_page", "items", "more"),
    [
        (0, None, "abcde", False),
        (0, 2, "ab", True),
        (1, 2, "cd", True),
        (2, 2, "e", False),
        (3, 2, "", False),
        (0, 5, "abcde", False),
        (0, 0, "", True),
    ],
)
def test_a_page_is_cut_from_the_whole(
    page: int, per_page: int | None, items: str, *, more: bool
) -> None:
    """PAGE-02, PAGE-03: items, the real total, has_more."""
    cut = check_paging(page, per_page).cut(list("abcde"))
    assert (cut.items, cut.total, cut.has_more) == (list(items), 5, more)


def test_an_empty_listing_has_no_more() -> None:
    assert not check_paging(0, 0).cut([]).has_more


def test_a_choice_must_be_one_of_those_allowed() -> None:
    """PAGE-04: an unknown order or direction is refused."""
    check_choice("direction", "asc", ("asc", "desc"))
    with pytest.raises(InvalidArgumentError, match="direction"):
        check_choice("direction", "ASC", ("asc", "desc"))


@pytest.mark.parametrize("us", [0, -1, 1_768_469_400_000_001, -(2**53) + 1, 2**53 - 1])
def test_microseconds_are_exact(us: int) -> None:
    assert epoch_us(from_epoch_us(us)) == us


@pytest.mark.parametrize(
    "value",
    [
        None,
        "2026-01-01T00:00:00Z",
        1.0,
        datetime(2026, 1, 1),  # noqa: DTZ001 - naive on purpose
        datetime(2256, 1, 1, tzinfo=UTC),
        datetime(1600, 1, 1, tzinfo=UTC),
    ],
)
def test_a_date_that_a_score_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="created_at"):
        check_date("created_at", value)


def test_a_date_becomes_utc() -> None:
    east = T0.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert check_date("d", east).tzinfo is UTC
    assert check_date("d", east) == T0


def test_exclusive_ends_move_by_one_microsecond() -> None:
    """LIST-03: microsecond exact."""
    start, end = epoch_us(T0), epoch_us(at(9))
    assert check_date_range(None) == (None, None)
    assert check_date_range(DateRange(T0, at(9))) == (start, end)
    assert check_date_range(DateRange(T0, None, start_exclusive=True)) == (start + 1, None)
    assert check_date_range(DateRange(None, at(9), end_exclusive=True)) == (None, end - 1)


@pytest.mark.parametrize("wrong", ["today", (T0, T0), DateRange(start=datetime(2026, 1, 1))])  # noqa: DTZ001
def test_a_wrong_date_range_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidArgumentError, match="date_range"):
        check_date_range(wrong)


@pytest.mark.parametrize(
    "wrong",
    ["m", ["m"], [Include("")], [Include("m", -1)], [Include("m", 0, "1")]],  # type: ignore[arg-type]
)
def test_a_wrong_include_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidArgumentError, match="include"):
        check_includes(wrong)


@pytest.mark.parametrize(
    "key", ["", "1a", "a-b", "a.b", "é", "__proto__", "constructor", "a" * 129]
)
def test_a_metadata_key_that_is_no_identifier_is_refused(key: str) -> None:
    """THR-09, LIST-04: bad keys raise."""
    with pytest.raises(InvalidArgumentError, match="metadata"):
        check_metadata({key: 1})


@pytest.mark.parametrize("wrong", [[("a", 1)], "a", {1: 2}])
def test_a_filter_that_is_no_dict_of_names_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidArgumentError, match="metadata"):
        check_metadata(wrong)


def test_no_filter_matches_everything() -> None:
    assert check_metadata(None) == {}
    assert has_fields(None, {})


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("nan"), float("inf"), b"x", T0])
def test_a_message_filter_takes_scalars_only(value: object) -> None:
    """LIST-04: values are str, finite number, bool or None."""
    with pytest.raises(InvalidArgumentError, match="metadata"):
        check_scalars({"a": value})


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        (None, None, True),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ([1], [True], False),
        ({"a": 1, "b": [None]}, {"b": [None], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": 1}, {"a": True}, False),
        ({}, [], False),
        ("a", "a", True),
    ],
)
def test_json_values_compare_by_type(left: object, right: object, *, same: bool) -> None:
    """THR-09: type-strict, lists ordered, dicts by content with the same key set."""
    assert json_values.same(left, right) is same
    assert json_values.same(right, left) is same


def test_a_missing_key_is_no_null() -> None:
    """THR-09: None matches an explicit null, never a missing key."""
    assert has_fields({"a": None}, {"a": None})
    assert not has_fields({}, {"a": None})
    assert not has_fields("text", {"a": None})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (
            {
                "parts": [
                    {"type": "text", "text": "a"},
                    {"type": "x"},
                    {"type": "text", "text": "b"},
                ]
            },
            "ab",
        ),
        ({"content": "old"}, "old"),
        ({"parts": [1, {"type": "text", "text": 2}]}, ""),
        ([1], ""),
        (None, ""),
    ],
)
def test_the_text_of_a_message_joins_its_text_parts(content: object, text: str) -> None:
    sent = Message(thread_id="t", resource_id="u", role="user", content=content)
    assert sent.text == text
