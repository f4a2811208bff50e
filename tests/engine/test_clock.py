"""The mark of a date that the caller did not give."""

import copy
import pickle
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from redis_store import Message, Resource, Thread
from redis_store._engine import codecs
from redis_store._engine.clock import is_undated, put_date
from redis_store.models import is_default
from tests.support.records.builders import T0, message


def _undated() -> Message:
    return Message.from_text("user", "hi", thread_id="t", resource_id="u")


def test_a_record_without_dates_is_known_as_such() -> None:
    assert is_undated(_undated())
    assert is_undated(Thread(resource_id="u", created_at=T0))
    assert is_undated(Resource(id="u", updated_at=T0))
    assert not is_undated(Thread(resource_id="u", created_at=T0, updated_at=T0))
    assert not is_undated(message("m"))


def test_copies_of_it_are_too() -> None:
    given = _undated()
    copies = (
        copy.copy(given),
        copy.deepcopy(given),
        pickle.loads(pickle.dumps(given)),  # noqa: S301 - our own
        msgspec.structs.replace(given, role="system"),
    )
    assert all(map(is_undated, copies))


def test_a_date_that_is_computed_from_it_is_given() -> None:
    date = _undated().created_at
    assert is_default(date)
    assert not is_default(date + timedelta(0))
    assert not is_default(date.astimezone(UTC) - timedelta(days=1))
    assert not is_default(datetime.fromisoformat(date.isoformat()))


def test_the_mark_shows_nowhere_else() -> None:
    given = _undated()
    plain = given.created_at.replace(fold=0)
    assert given.created_at == plain
    assert hash(given.created_at) == hash(plain)
    assert msgspec.json.encode(given.created_at) == msgspec.json.encode(plain)
    assert given == msgspec.structs.replace(given, created_at=plain)


def test_a_record_that_was_read_has_dates() -> None:
    stored = codecs.encode_thread(Thread(id="t", resource_id="u"))
    assert not is_undated(codecs.decode_thread("k", stored))


@pytest.mark.parametrize("same", [True, False])
def test_a_date_is_put_where_there_is_none(same: bool) -> None:  # noqa: FBT001
    given = Thread(id="t", resource_id="u", created_at=T0)
    checked = given if same else msgspec.structs.replace(given)
    later = T0 + timedelta(days=1)
    put_date(given, checked, later)
    put_date(given, checked, later + timedelta(days=1))
    assert (given.created_at, given.updated_at) == (T0, later)
    assert given == checked
