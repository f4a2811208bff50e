"""Windows onto the messages of threads: what is read for one page, and in which order."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from redis_store._connections.commands import Command
from redis_store._engine import codecs
from redis_store._engine.database import Batch
from redis_store._engine.scripts import PAGE
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError
from redis_store.json_values import has_fields, is_object
from redis_store.models import Message
from redis_store.pages import Direction

# Messages read at once where each must be looked at.
_CHUNK = 500
# Messages of one date that a walk remembers, to find its place where the last one seen is gone.
_SEEN = 100


class Place(NamedTuple):
    """Where a message stands: by date, then by insertion within a thread, then by id."""

    created_us: int
    score: int
    thread_id: str
    id: str


class Row(NamedTuple):
    """A message and its place."""

    place: Place
    message: Message


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of a thread are asked for; dates in inclusive µs, ``None`` is any."""

    from_us: int | None = None
    to_us: int | None = None
    resource_id: str | None = None
    metadata: dict[str, Any] = {}

    def accepts(self, message: Message) -> bool:
        """Whether a message passes."""
        us = epoch_us(message.created_at)
        return (
            self.resource_id in (None, message.resource_id)
            and (self.from_us is None or us >= self.from_us)
            and (self.to_us is None or us <= self.to_us)
            and (not self.metadata or has_fields(_metadata(message), self.metadata))
        )


def _metadata(message: Message) -> object:
    content: object = message.content
    return content.get("metadata") if is_object(content) else None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one thread: ``take`` messages (``None``: all) after ``skip`` and those seen.

    ``seen`` holds messages of one date, the last one first.
    """

    thread_id: str
    direction: Direction
    filter: Filter = Filter()
    seen: Sequence[Place] = ()
    skip: int = 0
    take: int | None = None


class Slice(NamedTuple):
    """What a window showed.

    ``total`` counts the thread's messages that pass the filter, whatever the window.
    """

    total: int
    rows: list[Row]


async def messages(batch: Batch, window: Window) -> tuple[int, list[Message]]:
    """Read a window without the messages' places: the total and the messages. Costs as ``read``."""
    if _is_direct(batch, window):
        (reply,) = await _replies(batch, [window], "bodies")
        bodies = reply.bodies
        # What is not there, or no message, is left to ``read``, which knows where it is.
        if reply.total >= 0 and None not in bodies:
            with suppress(CorruptRecordError):
                return reply.total, [codecs.decode_message("", body) for body in bodies]
    ((total, rows),) = await read(batch, [window])
    return total, [row.message for row in rows]


async def read(batch: Batch, windows: Sequence[Window]) -> list[Slice]:
    """Read windows. One round trip for all, unless messages must be looked at one by one.

    They must where a metadata filter is given, and where a resource is asked for in a thread that
    holds messages of several: then the thread is read in chunks of 500.
    """
    slices = None
    while slices is None:
        slices = await _read_once(batch, windows)
    return slices


async def _read_once(batch: Batch, windows: Sequence[Window]) -> list[Slice] | None:
    replies = await _replies(batch, windows, "rows")
    slices: list[Slice] = []
    dangling: list[Place] = []
    for window, reply in zip(windows, replies, strict=True):
        if reply.total < 0:
            slices.append(await _scan(batch, window))
            continue
        rows: list[Row] = []
        for id_, score, body in zip(reply.ids, reply.scores, reply.bodies, strict=True):
            if body is None:
                dangling.append(Place(0, 0, window.thread_id, id_.decode()))
            else:
                rows.append(_row(batch, window.thread_id, id_.decode(), score, body))
        slices.append(Slice(reply.total, rows))
    return None if await remove_dangling(batch, dangling) else slices


def _is_direct(batch: Batch, window: Window) -> bool:
    """Whether the server can choose the messages, or each must be looked at here."""
    if batch.scans:
        return window == _whole(window)
    return not window.filter.metadata


def _whole(window: Window) -> Window:
    """The thread's messages as they stand."""
    return Window(thread_id=window.thread_id, direction="asc")


class _Reply(NamedTuple):
    """The reply of ``page.lua``; -1 is the total where messages must be looked at one by one."""

    total: int
    values: Sequence[Any] = ()
    marks: Sequence[Any] = ()

    @property
    def bodies(self) -> list[Any]:
        """The bodies in the replies to MGET, whose first value is the order's."""
        return [body for values in self.values for body in values[1:]]

    @property
    def ids(self) -> Sequence[bytes]:
        """The messages' ids."""
        return self.marks[::2]

    @property
    def scores(self) -> Sequence[Any]:
        """Their scores."""
        return self.marks[1::2]


async def _replies(batch: Batch, windows: Sequence[Window], shape: str) -> list[_Reply]:
    """Ask for all windows at once."""
    direct = [_is_direct(batch, window) for window in windows]
    chosen = [w for w, is_direct in zip(windows, direct, strict=True) if is_direct]
    replies = iter(await batch.send([_command(batch, window, shape) for window in chosen]))
    return [_Reply(*next(replies)) if is_direct else _Reply(-1) for is_direct in direct]


def _command(batch: Batch, window: Window, shape: str) -> Command:
    """Build the call of ``page.lua`` for a window."""
    keys, wanted, seen = batch.keys, window.filter, window.seen
    return PAGE.call(
        [keys.order(window.thread_id), keys.owners(window.thread_id)],
        [
            keys.bodies(window.thread_id),
            wanted.resource_id or "",
            "" if wanted.from_us is None else wanted.from_us,
            "" if wanted.to_us is None else wanted.to_us,
            window.direction,
            seen[0].created_us if seen else "",
            window.skip,
            -1 if window.take is None else window.take,
            shape,
            *(place.id for place in seen),
        ],
    )


def _row(batch: Batch, thread_id: str, id_: str, score: bytes | float, body: bytes) -> Row:
    message = codecs.decode_message(batch.keys.message(thread_id, id_), body)
    return Row(Place(epoch_us(message.created_at), int(float(score)), thread_id, id_), message)


async def _scan(batch: Batch, window: Window) -> Slice:
    """Fill a window by looking at every message of the thread."""
    kept: list[Row] = []
    total = 0
    end = None if window.take is None else window.skip + window.take
    async for row in walk(batch, window):
        total += 1
        if total > window.skip and (end is None or total <= end):
            kept.append(row)
    return Slice(total, kept)


async def walk(batch: Batch, window: Window, chunk: int = _CHUNK) -> AsyncIterator[Row]:
    """Iterate over a thread's messages that pass the window's filter, a chunk in memory at once.

    Follows the last messages seen, not a number, so that what others add or delete meanwhile makes
    it skip none; nor repeat any, unless others delete the last 100 seen of more that share a date.
    Ignores ``skip`` and ``take``.
    """
    if batch.scans:
        for row in await _sorted(batch, window):
            yield row
        return
    dates = Filter(from_us=window.filter.from_us, to_us=window.filter.to_us)
    seen = window.seen
    while True:
        step = Window(
            thread_id=window.thread_id,
            direction=window.direction,
            filter=dates,
            seen=seen,
            take=chunk,
        )
        rows = (await read(batch, [step]))[0].rows
        for row in rows:
            if window.filter.accepts(row.message):
                yield row
        if len(rows) < chunk:
            return
        seen = _seen([*(row.place for row in reversed(rows)), *seen])


async def _sorted(batch: Batch, window: Window) -> list[Row]:
    """Read a thread whole and order it here, for want of a sorted set to trust."""
    descending = window.direction == "desc"
    rows = (await read(batch, [_whole(window)]))[0].rows
    rows.sort(key=lambda row: row.place, reverse=descending)
    if window.seen:
        last = window.seen[0]
        rows = [row for row in rows if (row.place < last if descending else row.place > last)]
    return [row for row in rows if window.filter.accepts(row.message)]


def _seen(places: Sequence[Place]) -> list[Place]:
    """Keep the places of the first one's date, as many as a walk remembers."""
    last = places[0]
    return [place for place in places if place.created_us == last.created_us][:_SEEN]


async def places(batch: Batch, windows: Sequence[Window]) -> list[tuple[int, list[Place]]]:
    """Read where the messages of windows stand, without their bodies: totals and places.

    One round trip for all windows, with the exception that ``read`` has.
    """
    replies = await _replies(batch, windows, "dates")
    found: list[tuple[int, list[Place]]] = []
    for window, reply in zip(windows, replies, strict=True):
        if reply.total < 0:
            whole = await _scan(batch, window)
            found.append((whole.total, [row.place for row in whole.rows]))
            continue
        stood = zip(reply.ids, reply.scores, reply.values, strict=True)
        places = [
            Place(int(us), int(float(score)), window.thread_id, id_.decode())
            for id_, score, us in stood
        ]
        found.append((reply.total, places))
    return found


async def fetch(batch: Batch, wanted: Sequence[Place]) -> list[Row] | None:
    """Read messages by place; ``None`` after places that led nowhere were removed.

    One round trip.
    """
    key_of = {place: batch.keys.message(place.thread_id, place.id) for place in wanted}
    found = await batch.get(list(key_of.values()))
    rows: list[Row] = []
    dangling: list[Place] = []
    for place, key in key_of.items():
        body = found[key]
        if body is None:
            dangling.append(place)
        else:
            rows.append(Row(place, codecs.decode_message(key, body)))
    return None if await remove_dangling(batch, dangling) else rows


async def remove_dangling(batch: Batch, dangling: Iterable[Place]) -> bool:
    """Remove entries of threads' orders whose message is gone; tell whether there were any."""
    tx = Transaction(batch)
    any_dangling = False
    for place in dangling:
        any_dangling = True
        tx.same({batch.keys.message(place.thread_id, place.id): None})
        tx.drop(place.thread_id, [place.id])
    if any_dangling:
        await tx.commit()
    return any_dangling
