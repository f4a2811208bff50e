"""Cursors: places in a listing, and the opaque strings that stand for them.

A cursor names the records next to its place. It stays exact while others are added or deleted,
because records keep their order, and any of those named is enough to find the place.

Tests: ``tests/engine/test_cursors.py``, ``tests/contract/test_message_cursors.py``,
``tests/contract/test_thread_cursors.py``, ``tests/property/test_cursors.py``.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import Annotated, Literal, NamedTuple
from zlib import crc32

import msgspec

from redis_store.errors import InvalidArgumentError

# Records that name a place, at most: in memory, and in a string, which should fit into a URL.
_NAMED = 100
_NAMED_IN_TEXT = 16
_BYTES_IN_TEXT = 1024
_LONGEST_TEXT = 8192

# What a double holds exactly; a wider one would be another number on the server.
_Exact = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Scope(NamedTuple):
    """The listing that a cursor belongs to.

    Attributes:
        order_by: What it is sorted by; ``messages`` is a thread's messages.
        of: The id of the thread or resource whose records it lists; ``None``: all records.
        descending: Its direction.
    """

    order_by: Literal["messages", "created_at", "updated_at"]
    of: str | None
    descending: bool


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place between two records of a listing.

    Attributes:
        us: The date, in µs, of the records that name the place.
        score: The score of the nearest of them.
        ids: These records, the nearest first.
        follows: Whether the place comes after them, in ascending order; else before them.
        is_complete: Whether no other record of their date was on their side of the place.
    """

    us: _Exact
    score: _Exact
    ids: tuple[str, ...]
    follows: bool
    is_complete: bool

    @property
    def bound(self) -> float:
        """The score at which the place is looked for if all its records are gone.

        Scores are different integers and only rise, so a record of the same date that was beyond
        the named ones still has a lower score if the place follows it.
        """
        if self.is_complete:
            return float("-inf") if self.follows else float("inf")
        last = len(self.ids) - 1
        return self.score - last if self.follows else self.score + last

    def is_after(self, us: float, id_: str) -> bool:
        """Whether the place comes after a record, if records are sorted by date and id alone."""
        named = (self.us, self.ids[0])
        return (us, id_) <= named if self.follows else (us, id_) < named


class _Text(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a cursor's string holds; ``of`` is a digest, so that its length is fixed."""

    order_by: str
    of: bytes
    descending: bool
    cursor: Cursor


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Text).decode


def beside(
    records: Iterable[tuple[int, str]],
    score: int,
    *,
    follows: bool,
    is_all: bool,
    beyond: Cursor | None = None,
) -> Cursor:
    """Build the cursor next to a run of records.

    Args:
        records: Their dates in µs and ids, the nearest first.
        score: The score of the nearest.
        follows: Whether the place comes after the run, in ascending order.
        is_all: Whether no record was beyond the run, as seen from the place.
        beyond: The cursor at the run's other end, if that is where the run was read from.
    """
    dates_and_ids = iter(records)
    us, nearest = next(dates_and_ids)
    ids = [nearest]
    for date, id_ in dates_and_ids:
        if date != us:
            is_all = True
            break
        ids.append(id_)
    else:
        # Only a cursor that names records outside the run tells what was there.
        if beyond is not None and beyond.follows == follows:
            is_all = is_all or beyond.us != us or beyond.is_complete
            ids += beyond.ids if beyond.us == us else ()
    return Cursor(us, score, tuple(ids[:_NAMED]), follows, is_all and len(ids) <= _NAMED)


def encode(scope: Scope, cursor: Cursor) -> str:
    """Return the string that stands for a cursor: URL-safe, with a checksum, and not secret."""
    ids: list[str] = []
    room = _BYTES_IN_TEXT
    for id_ in cursor.ids[:_NAMED_IN_TEXT]:
        # Another writer's id may have half a surrogate pair, which UTF-8 does not.
        raw = id_.encode(errors="replace")
        room -= len(raw)
        if ids and room < 0:
            break
        ids.append(raw.decode())
    kept = Cursor(
        cursor.us,
        cursor.score,
        tuple(ids),
        cursor.follows,
        cursor.is_complete and len(ids) == len(cursor.ids),
    )
    body = _encode(_Text(scope.order_by, _digest(scope.of), scope.descending, kept))
    return _as_text(crc32(body).to_bytes(4, "big") + body)


def decode(argument: str, text: object, scope: Scope) -> Cursor:
    """Return the cursor that a string stands for.

    Raises:
        InvalidArgumentError: It is no cursor, is damaged, or belongs to another listing.
    """
    found = _parse(argument, text)
    if found.order_by != scope.order_by:
        is_of_messages = "messages" in (found.order_by, scope.order_by)
        other = "listing" if is_of_messages else "order_by"
    elif found.of != _digest(scope.of):
        other = "thread" if scope.order_by == "messages" else "resource_id"
    elif found.descending != scope.descending:
        other = "direction"
    else:
        return found.cursor
    raise InvalidArgumentError(argument, f"is a cursor of another {other}", text)


def _parse(argument: str, text: object) -> _Text:
    if not isinstance(text, str) or not text:
        raise InvalidArgumentError(argument, "must be a cursor of a page", text)
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4)) if _may_be_cursor(text) else b""
        checksum, body = raw[:4], raw[4:]
        # Compared as text, because decoding skips characters that are not of its alphabet.
        if crc32(body).to_bytes(4, "big") == checksum and _as_text(raw) == text:
            found = _decode(body)
            if found.cursor.ids:
                return found
    except (ValueError, msgspec.MsgspecError):
        pass
    raise InvalidArgumentError(argument, "is a damaged cursor", text)


def _may_be_cursor(text: str) -> bool:
    return len(text) <= _LONGEST_TEXT and text.isascii()


def _as_text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(of: str | None) -> bytes:
    return b"" if of is None else blake2b(of.encode(), digest_size=8).digest()
