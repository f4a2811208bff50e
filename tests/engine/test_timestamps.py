from datetime import timedelta

import pytest

from redis_store._engine.timestamps import epoch_us, from_epoch_us, iso, later_than, to_ms
from redis_store.models import now
from tests.support.records.builders import T0


@pytest.mark.parametrize("us", [0, -1, 1_768_469_400_000_001, -(2**53) + 1, 2**53 - 1])
def test_microseconds_are_exact(us: int) -> None:
    assert epoch_us(from_epoch_us(us)) == us


def test_microseconds_as_text_have_six_digits_of_fraction() -> None:
    assert iso(epoch_us(T0)) == "2026-01-15T09:30:00.000000Z"


def test_a_later_date_is_now_or_the_next_microsecond() -> None:
    began = now()
    assert later_than(T0, began) == began
    ahead = began + timedelta(days=1)
    assert later_than(ahead, began) == ahead + timedelta(microseconds=1)


def test_milliseconds_are_rounded_up() -> None:
    assert to_ms(timedelta(milliseconds=2)) == 2
    assert to_ms(timedelta(milliseconds=2, microseconds=1)) == 3
