from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from redis_store import DateRange, Include, InvalidArgumentError
from redis_store._engine.arguments import (
    check_choice,
    check_date,
    check_date_range,
    check_id,
    check_ids,
    check_includes,
    check_metadata,
    check_paging,
    check_scalars,
    check_thread_id,
)
from redis_store._engine.operations import named
from redis_store._engine.timestamps import epoch_us
from tests.support.records.builders import T0, at


@pytest.mark.parametrize("value", ["", None, 1, b"x", "\ud800", "x" * 1025, "é" * 513])
def test_an_unusable_id_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"op: id ") as caught, named("op"):
        check_id("id", value)
    assert caught.value.code == "OP_INVALID_ID"


@pytest.mark.parametrize("value", ["*", ":", "a:id", "x" * 1024, "é" * 512, " ", "\x00"])
def test_any_other_id_is_accepted(value: str) -> None:
    assert check_id("id", value) == value


@pytest.mark.parametrize("value", ["x:id", "x:id:y", ":id", ":id:"])
def test_a_thread_id_that_could_end_early_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgumentError, match="':id:'"):
        check_thread_id("thread_id", value)


@pytest.mark.parametrize("value", ["id", "id:", "x:i", "x:idx", "x:", "::", "{x}"])
def test_a_thread_id_with_colons_is_accepted(value: str) -> None:
    assert check_thread_id("thread_id", value) == value


def test_a_list_of_ids_keeps_each_once() -> None:
    assert check_ids("ids", ("b", "a", "b")) == ["b", "a"]
    with pytest.raises(InvalidArgumentError, match="list of ids"):
        check_ids("ids", "ab")


@pytest.mark.parametrize(
    ("page", "per_page"),
    [(-1, 10), (0, -1), ("0", 10), (0, 1.0), (True, 10), (None, 10), (1, None)],
)
def test_a_wrong_page_is_refused(page: Any, per_page: Any) -> None:
    """PAGE-01: negative or non-int, and a page number without a size."""
    with pytest.raises(InvalidArgumentError) as caught, named("op"):
        check_paging(page, per_page)
    assert caught.value.code in {"OP_INVALID_PAGE", "OP_INVALID_PER_PAGE"}


def test_a_choice_must_be_one_of_those_allowed() -> None:
    """PAGE-04: an unknown order or direction is refused."""
    check_choice("direction", "asc", ("asc", "desc"))
    with pytest.raises(InvalidArgumentError, match="direction"):
        check_choice("direction", "ASC", ("asc", "desc"))


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


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("nan"), float("inf"), b"x", T0])
def test_a_message_filter_takes_scalars_only(value: object) -> None:
    """LIST-04: values are str, finite number, bool or None."""
    with pytest.raises(InvalidArgumentError, match="metadata"):
        check_scalars({"a": value})
