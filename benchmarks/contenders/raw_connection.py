"""One connection and a hiredis reader: the least code between a coroutine and the server."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from hiredis import Reader

Replies = asyncio.Future[list[Any]]


def pack(*command: bytes | str | int) -> bytes:
    """Pack a command as RESP."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    lines = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n" % len(parts) + b"".join(lines)


def socket_of(url: str) -> str:
    """Return the path of a ``unix://`` URL."""
    return unquote(urlsplit(url).path)


class RawConnection(asyncio.Protocol):
    """A connection that many coroutines share.

    Commands sent while replies are awaited are written together, once some have come.
    """

    def __init__(self) -> None:
        self._reader = Reader()
        self._waiting: deque[tuple[Replies, int]] = deque()
        self._queued: list[bytes] = []
        self._replies: list[Any] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport: Any = transport
        self._loop = asyncio.get_running_loop()

    def send(self, packed: bytes, count: int = 1) -> Replies:
        """Send packed commands; the future gives their replies as one list.

        Args:
            packed: The commands.
            count: How many they are.
        """
        done = self._loop.create_future()
        if self._waiting:
            self._queued.append(packed)
        else:
            self.transport.write(packed)
        self._waiting.append((done, count))
        return done

    def data_received(self, data: bytes) -> None:
        """Resolve the futures whose replies are complete."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._replies.append(reply)
            done, count = self._waiting[0]
            if len(self._replies) == count:
                self._waiting.popleft()
                _resolve(done, self._replies)
                self._replies = []
        if self._waiting:
            # Not at once: the coroutines just woken send first, so their commands share the write.
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._queued:
            self.transport.write(b"".join(self._queued))
            self._queued.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the futures that still wait."""
        for done, _ in self._waiting:
            done.set_exception(exc or ConnectionError("the server closed the connection"))


def _resolve(done: Replies, replies: Iterable[Any]) -> None:
    replies = list(replies)
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if error is None:
        done.set_result(replies)
    else:
        done.set_exception(error)


async def connect(url: str) -> RawConnection:
    """Open a connection to a ``unix://`` URL."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(RawConnection, socket_of(url))
    return connection
