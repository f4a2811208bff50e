"""Windows onto the messages of threads. ``page.lua`` is the server's half."""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from redis_store._connections.commands import Argument, Command, decoded
from redis_store._cursors import Cursor, beside
from redis_store._engine import codecs
from redis_store._engine.database import READ_CHUNK, Database
from redis_store._engine.scripts import PAGE
from redis_store._engine.timestamps import epoch_us
from redis_store.errors import CorruptRecordError
from redis_store.memory.message_filter import Filter
from redis_store.memory.thread_transaction import begin
from redis_store.models import Message
from redis_store.pages import Direction


class Position(NamedTuple):
    """The sort key of a message: date, then insertion within a thread, then ids."""

    created_us: int
    score: int
    thread_id: str
    id: str


class Row(NamedTuple):
    """A message and its position."""

    position: Position
    message: Message


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A range of one thread's messages: ``take`` (``None``: all) after the cursor and ``skip``."""

    thread_id: str
    direction: Direction
    filter: Filter = Filter()
    cursor: Cursor | None = None
    skip: int = 0
    take: int | None = None


class Slice(NamedTuple):
    """The messages of a window.

    Attributes:
        total: How many messages of the whole thread match the window's filter.
        passed: How many of those come before the window.
        rows: The messages.
    """

    total: int
    passed: int
    rows: list[Row]

    def without_positions(self) -> "Messages":
        """Return the same without the positions."""
        items = [row.message for row in self.rows]
        ends = [self.rows[at].position.score for at in (0, -1)] if items else []
        return Messages(self.total, self.passed, items, ends)


class Messages(NamedTuple):
    """As ``Slice``; the scores are those of the first and last message, if there are others."""

    total: int
    passed: int
    items: list[Message]
    scores: list[int]


async def messages(db: Database, window: Window) -> Messages:
    """Read a window without the messages' positions. Costs the same as ``read``."""
    if _server_selects(db, window):
        reply = _Reply(*await db.ask(_command(db, window, "bodies")))
        bodies = reply.bodies
        # The reply has no ids. A missing or corrupt body is left to `read`, which has them and can
        # remove the timeline's entry or name the key.
        if reply.total >= 0 and None not in bodies:
            with suppress(CorruptRecordError):
                items = codecs.decode_messages(bodies)
                ends = [int(float(score)) for score in reply.scored_ids]
                return Messages(reply.total, reply.passed, items, ends)
    (found,) = await read(db, [window])
    return found.without_positions()


async def read(db: Database, windows: Sequence[Window]) -> list[Slice]:
    """Read windows. One round trip for all, unless the server cannot apply a filter.

    It cannot apply a metadata filter, nor a resource in a thread with messages of several: then the
    thread is read in chunks of 500, and filtered here.
    """
    slices = None
    while slices is None:
        slices = await _read_once(db, windows)
    return slices


async def _read_once(db: Database, windows: Sequence[Window]) -> list[Slice] | None:
    """Read windows; ``None`` if some entries had no message and were removed: read again then."""
    replies = await _pages(db, windows, "rows")
    slices: list[Slice] = []
    dangling: list[Position] = []
    for window, reply in zip(windows, replies, strict=True):
        if reply.total < 0:
            slices.append(await _scan(db, window))
            continue
        rows: list[Row] = []
        for id_, score, body in zip(reply.ids, reply.scores, reply.bodies, strict=True):
            if body is None:
                # The removal needs only the ids.
                dangling.append(Position(0, 0, window.thread_id, decoded(id_)))
            else:
                rows.append(_row(db, window.thread_id, decoded(id_), score, body))
        slices.append(Slice(reply.total, reply.passed, rows))
    return None if await remove_dangling(db, dangling) else slices


def _server_selects(db: Database, window: Window) -> bool:
    """Whether ``page.lua`` can select the window's messages; else they are filtered here."""
    if db.scans:
        # Another writer's scores need not follow the dates: the server can only list everything.
        return window == _whole_thread(window)
    return not window.filter.metadata


def _whole_thread(window: Window) -> Window:
    """Build the window of all messages, in the timeline's order."""
    return Window(thread_id=window.thread_id, direction="asc")


class _Reply(NamedTuple):
    """The reply of ``page.lua``; its total is -1 if the messages must be filtered here."""

    total: int
    passed: int = 0
    values: Sequence[Any] = ()
    scored_ids: Sequence[Any] = ()

    @property
    def bodies(self) -> list[Any]:
        """The bodies in the replies to MGET, each of which begins with the timeline's ``None``."""
        return [body for values in self.values for body in values[1:]]

    @property
    def ids(self) -> Sequence[bytes]:
        """The messages' ids."""
        return self.scored_ids[::2]

    @property
    def scores(self) -> Sequence[Any]:
        """Their scores."""
        return self.scored_ids[1::2]


async def _pages(db: Database, windows: Sequence[Window], shape: str) -> list[_Reply]:
    """Run ``page.lua`` for all windows whose messages the server can select. One round trip."""
    selected = [_server_selects(db, window) for window in windows]
    sent = [w for w, by_server in zip(windows, selected, strict=True) if by_server]
    replies = iter(await db.send([_command(db, window, shape) for window in sent]))
    return [_Reply(*next(replies)) if by_server else _Reply(-1) for by_server in selected]


def _command(db: Database, window: Window, shape: str) -> Command:
    """Build the call of ``page.lua`` for a window."""
    wanted, cursor = window.filter, window.cursor
    place: list[Argument] = []
    if cursor is not None:
        side, bound = ("follows", "({}") if cursor.follows else ("precedes", "{}")
        place = [cursor.us, side, bound.format(cursor.bound), *cursor.ids]
    thread = db.keys.of_thread(window.thread_id)
    return PAGE.call(
        [thread.timeline, thread.counts],
        [
            thread.bodies,
            wanted.resource_id or "",
            "" if wanted.from_us is None else wanted.from_us,
            "" if wanted.to_us is None else wanted.to_us,
            window.direction,
            window.skip,
            -1 if window.take is None else window.take,
            shape,
            *place,
        ],
    )


def _row(db: Database, thread_id: str, id_: str, score: bytes | float, body: bytes) -> Row:
    message = codecs.decode_message(db.keys.message(thread_id, id_), body)
    return Row(Position(epoch_us(message.created_at), int(float(score)), thread_id, id_), message)


async def _scan(db: Database, window: Window) -> Slice:
    """Fill a window by reading and filtering the whole thread."""
    kept: list[Row] = []
    total = passed = 0
    end = None if window.take is None else window.skip + window.take
    # To the thread's end, also behind a full window: the total counts every match.
    async for row in iterate(db, window):
        total += 1
        if total > window.skip and (end is None or total <= end):
            kept.append(row)
    if window.cursor is not None:
        opposite: Direction = "asc" if window.direction == "desc" else "desc"
        async for _ in iterate(db, replace(window, direction=opposite)):
            passed += 1
    return Slice(total + passed, passed + min(window.skip, total), kept)


async def iterate(db: Database, window: Window, chunk: int = READ_CHUNK) -> AsyncIterator[Row]:
    """Iterate over a thread's messages that match the window's filter, a chunk in memory at once.

    It follows a cursor, not a rank, so it neither skips nor repeats a message when others are added
    or deleted meanwhile. Ignores ``skip`` and ``take``.
    """
    if db.scans:
        for row in await _sorted_rows(db, window):
            yield row
        return
    # Only the dates go to the server: it cannot always apply the rest, and the cursor must also
    # move past messages that do not match.
    dates = Filter(from_us=window.filter.from_us, to_us=window.filter.to_us)
    cursor = window.cursor
    while True:
        step = Window(
            thread_id=window.thread_id,
            direction=window.direction,
            filter=dates,
            cursor=cursor,
            take=chunk,
        )
        rows = (await read(db, [step]))[0].rows
        for row in rows:
            if window.filter.accepts(row.message):
                yield row
        if len(rows) < chunk:
            return
        cursor = beside(
            ((row.position.created_us, row.position.id) for row in reversed(rows)),
            rows[-1].position.score,
            follows=window.direction == "asc",
            is_all=cursor is None,
            beyond=cursor,
        )


async def _sorted_rows(db: Database, window: Window) -> list[Row]:
    """Read a whole thread and sort it here, because its scores cannot be trusted."""
    rows = (await read(db, [_whole_thread(window)]))[0].rows
    rows.sort(key=lambda row: row.position)
    first, end = 0, len(rows)
    if window.cursor is not None:
        at = _rank(rows, window.cursor)
        first, end = (at, end) if window.direction == "asc" else (first, at)
    rows = [row for row in rows[first:end] if window.filter.accepts(row.message)]
    return rows if window.direction == "asc" else rows[::-1]


def _rank(rows: Sequence[Row], cursor: Cursor) -> int:
    """Return how many of the sorted rows are older than the cursor, as ``page.lua`` does."""
    rank_of = {
        row.position.id: rank
        for rank, row in enumerate(rows)
        if row.position.created_us == cursor.us
    }
    nearest = next((rank_of[id_] for id_ in cursor.ids if id_ in rank_of), None)
    if nearest is not None:
        return nearest + cursor.follows
    bisect = bisect_left if cursor.follows else bisect_right
    return bisect(rows, (cursor.us, cursor.bound), key=lambda row: row.position[:2])


async def positions(db: Database, windows: Sequence[Window]) -> list[tuple[int, list[Position]]]:
    """Read the totals of windows and the positions of their messages, without bodies.

    One round trip for all windows, with the same exception as ``read``.
    """
    replies = await _pages(db, windows, "dates")
    found: list[tuple[int, list[Position]]] = []
    for window, reply in zip(windows, replies, strict=True):
        if reply.total < 0:
            whole = await _scan(db, window)
            found.append((whole.total, [row.position for row in whole.rows]))
            continue
        entries = zip(reply.ids, reply.scores, reply.values, strict=True)
        positions = [
            Position(int(us), int(float(score)), window.thread_id, decoded(id_))
            for id_, score, us in entries
        ]
        found.append((reply.total, positions))
    return found


async def read_at(db: Database, wanted: Sequence[Position]) -> list[Row] | None:
    """Read messages by position. One round trip.

    Returns:
        The rows; ``None`` if some positions had no message, whose entries were removed.
    """
    key_of = {position: db.keys.message(position.thread_id, position.id) for position in wanted}
    found = await db.get(list(key_of.values()))
    rows: list[Row] = []
    dangling: list[Position] = []
    for position, key in key_of.items():
        body = found[key]
        if body is None:
            # Such an entry counts as one of the page, so the page must be selected again.
            dangling.append(position)
        else:
            rows.append(Row(position, codecs.decode_message(key, body)))
    return None if await remove_dangling(db, dangling) else rows


async def remove_dangling(db: Database, dangling: Iterable[Position]) -> bool:
    """Remove timeline entries whose message is gone; return whether there were any.

    True also if the removal is refused because a message is there again: the caller reads again
    in either case.
    """
    tx = begin(db)
    any_dangling = False
    for position in dangling:
        any_dangling = True
        tx.expect({db.keys.message(position.thread_id, position.id): None})
        tx.drop(position.thread_id, [position.id])
    if any_dangling:
        await tx.commit()
    return any_dangling
