"""Windows onto the messages of threads. ``page.lua`` is the server's half."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from redis_store._connections.commands import Command
from redis_store._engine import codecs
from redis_store._engine.database import READ_CHUNK, Database
from redis_store._engine.scripts import PAGE
from redis_store._engine.timestamps import epoch_us
from redis_store.errors import CorruptRecordError
from redis_store.json_values import has_fields, is_object
from redis_store.memory.thread_transaction import begin
from redis_store.models import Message
from redis_store.pages import Direction

# Messages in a cursor: iteration resumes as long as one of these still exists.
_CURSOR_SIZE = 100


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


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of a thread to select; dates in µs, inclusive; ``None`` is any."""

    from_us: int | None = None
    to_us: int | None = None
    resource_id: str | None = None
    metadata: dict[str, Any] = {}

    def accepts(self, message: Message) -> bool:
        """Whether a message matches."""
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
    """A range of one thread's messages: ``take`` (``None``: all) after the cursor and ``skip``.

    ``cursor`` is a keyset cursor: the messages last returned that share one date, the last one
    first, so that iteration resumes although some of them are deleted.
    """

    thread_id: str
    direction: Direction
    filter: Filter = Filter()
    cursor: Sequence[Position] = ()
    skip: int = 0
    take: int | None = None


class Slice(NamedTuple):
    """The messages of a window, and how many of the whole thread match its filter."""

    total: int
    rows: list[Row]


async def messages(db: Database, window: Window) -> tuple[int, list[Message]]:
    """Read a window's total and messages, without their positions. Costs the same as ``read``."""
    if _server_selects(db, window):
        (reply,) = await _pages(db, [window], "bodies")
        bodies = reply.bodies
        # The reply has no ids. A missing or corrupt body is left to `read`, which has them and can
        # remove the timeline's entry or name the key.
        if reply.total >= 0 and None not in bodies:
            with suppress(CorruptRecordError):
                return reply.total, [codecs.decode_message("", body) for body in bodies]
    ((total, rows),) = await read(db, [window])
    return total, [row.message for row in rows]


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
                dangling.append(Position(0, 0, window.thread_id, id_.decode()))
            else:
                rows.append(_row(db, window.thread_id, id_.decode(), score, body))
        slices.append(Slice(reply.total, rows))
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
    returned = [position.id for position in cursor]
    thread = db.keys.of_thread(window.thread_id)
    return PAGE.call(
        [thread.timeline, thread.counts],
        [
            thread.bodies,
            wanted.resource_id or "",
            "" if wanted.from_us is None else wanted.from_us,
            "" if wanted.to_us is None else wanted.to_us,
            window.direction,
            cursor[0].created_us if cursor else "",
            window.skip,
            -1 if window.take is None else window.take,
            shape,
            *returned,
        ],
    )


def _row(db: Database, thread_id: str, id_: str, score: bytes | float, body: bytes) -> Row:
    message = codecs.decode_message(db.keys.message(thread_id, id_), body)
    return Row(Position(epoch_us(message.created_at), int(float(score)), thread_id, id_), message)


async def _scan(db: Database, window: Window) -> Slice:
    """Fill a window by reading and filtering the whole thread."""
    kept: list[Row] = []
    total = 0
    end = None if window.take is None else window.skip + window.take
    # To the thread's end, also behind a full window: the total counts every match.
    async for row in iterate(db, window):
        total += 1
        if total > window.skip and (end is None or total <= end):
            kept.append(row)
    return Slice(total, kept)


async def iterate(db: Database, window: Window, chunk: int = READ_CHUNK) -> AsyncIterator[Row]:
    """Iterate over a thread's messages that match the window's filter, a chunk in memory at once.

    It follows a cursor, not a rank, so it skips no message although others are added or deleted
    meanwhile. It repeats one only if more than 100 share a date and the last 100 returned are all
    deleted. Ignores ``skip`` and ``take``.
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
        cursor = _cursor([*(row.position for row in reversed(rows)), *cursor])


async def _sorted_rows(db: Database, window: Window) -> list[Row]:
    """Read a whole thread and sort it here, because its scores cannot be trusted."""
    descending = window.direction == "desc"
    rows = (await read(db, [_whole_thread(window)]))[0].rows
    rows.sort(key=lambda row: row.position, reverse=descending)
    if window.cursor:
        last = window.cursor[0]
        rows = [row for row in rows if (row.position < last if descending else row.position > last)]
    return [row for row in rows if window.filter.accepts(row.message)]


def _cursor(positions: Sequence[Position]) -> list[Position]:
    """Build the cursor after these positions, the last returned first."""
    # Ids tell messages of one date apart; between dates, the date is enough.
    last = positions[0]
    return [position for position in positions if position.created_us == last.created_us][
        :_CURSOR_SIZE
    ]


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
            Position(int(us), int(float(score)), window.thread_id, id_.decode())
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
