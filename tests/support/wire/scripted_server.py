"""A server that greets clients as Redis does, and then sends the bytes that a test says."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self

import hiredis

_INCOMPLETE: Final = object()
_GREETINGS: Final = {
    b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n",
    b"CLIENT": b"-ERR unknown command\r\n",
}


class Scripted:
    """Listens on a loopback port, as an async context manager.

    Attributes:
        url: Where it listens.
        connections: How many clients connected so far.
        reads: What came in one piece each, greetings left out.
        received: The commands of all connections, greetings left out.
        greets: Clear it to leave new clients without an answer.
        listens: Clear it to read no more.
    """

    def __init__(self, answer: Callable[[list[bytes]], bytes]) -> None:
        self._answer = answer
        self._writers: list[asyncio.StreamWriter] = []
        self.connections = 0
        self.reads: list[bytes] = []
        self.received: list[list[bytes]] = []
        self.greets = asyncio.Event()
        self.listens = asyncio.Event()
        self.greets.set()
        self.listens.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        self.cut()
        self.greets.set()
        self.listens.set()
        await self._server.wait_closed()

    def send(self, data: bytes) -> None:
        """Send bytes to the newest client, asked or not."""
        self._writers[-1].write(data)

    def cut(self) -> None:
        """End all connections at once."""
        for writer in self._writers:
            writer.transport.abort()

    def end(self) -> None:
        """End all connections as a server does that closes idle ones."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        requests: Any = hiredis.Reader(notEnoughData=_INCOMPLETE)
        try:
            while data := await reader.read(2**18):
                requests.feed(data)
                await self._reply(list(iter(requests.gets, _INCOMPLETE)), data, writer)
                await self.listens.wait()
        except (OSError, RuntimeError):
            pass  # it was cut: uvloop's transports say so when they are written to
        finally:
            writer.close()

    async def _reply(
        self, commands: list[list[bytes]], data: bytes, writer: asyncio.StreamWriter
    ) -> None:
        if commands and commands[0][0] in _GREETINGS:
            await self.greets.wait()
            writer.write(b"".join(_GREETINGS[command[0]] for command in commands))
            return
        self.reads.append(data)
        self.received += commands
        writer.write(b"".join(map(self._answer, commands)))


def echo(command: list[bytes]) -> bytes:
    """Answer with a command's last word; cut the reply off where that is ``CUT``."""
    word = command[-1]
    return b"$%d\r\n%b\r\n" % (len(word), word)


def silence(command: list[bytes]) -> bytes:  # noqa: ARG001
    """Answer nothing."""
    return b""
