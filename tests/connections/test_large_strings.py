"""Large strings in replies: whatever pieces they arrive in, and whatever looks like one."""

import asyncio
import re
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import hiredis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redis_store._connections import large_strings
from redis_store._connections.pipelined import PipelinedConnection, Request
from tests.support.wire.multiplexers import LOOPS, asked, turns
from tests.support.wire.scripted_server import Scripted

PUSH = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"

texts = st.text("$1\r\n:x", max_size=12).map(str.encode)
strings = texts.map(lambda text: b"$%d\r\n%s\r\n" % (len(text), text))
plain = st.sampled_from([b":7\r\n", b"+OK\r\n", b"$-1\r\n", b"*0\r\n"])
replies = st.recursive(
    strings | plain,
    lambda inner: st.lists(inner, max_size=3).map(
        lambda items: b"*%d\r\n%s" % (len(items), b"".join(items))
    ),
    max_leaves=5,
)


def _connection() -> PipelinedConnection:
    transport = Mock(**{"is_closing.return_value": False})
    parser = SimpleNamespace(parse_error=ValueError)
    writer = SimpleNamespace(transport=transport)
    return PipelinedConnection(SimpleNamespace(_writer=writer, _parser=parser), lambda: None)


@given(
    sent=st.lists(replies | st.just(PUSH), min_size=1, max_size=6), cuts=st.sets(st.integers(1, 99))
)
@example(sent=[b"*2\r\n$1\r\n$\r\n$2\r\n$1\r\n"], cuts={4})
@example(sent=[b"$5\r\n$1\r\nx\r\n", b"$1\r\ny\r\n"], cuts={4})
@example(sent=[b":7\r\n", b"$1\r\nx\r\n", b":8\r\n"], cuts=set())
async def test_replies_are_the_same_in_any_pieces(sent: list[bytes], cuts: set[int]) -> None:
    data = b"".join(sent)
    reader = hiredis.Reader()
    expected = list[Any]()
    for reply in sent:
        reader.feed(reply)
        expected.append(reader.gets())
    expected = [reply for reply in expected if not isinstance(reply, hiredis.PushNotification)]
    future = asyncio.get_running_loop().create_future()
    connection = _connection()
    if expected:
        connection.write([Request(b"x", len(expected), 0.0, future)])
    with pytest.MonkeyPatch.context() as patch:
        # As if every string were large.
        patch.setattr(large_strings, "_HEADER", re.compile(rb"\$(\d+)\r\n"))
        patch.setattr(large_strings, "_LONG", 1)
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for first, last in pairwise(edges):
            connection.data_received(data[first:last])
    assert connection.reusable
    assert not expected or future.result() == expected


@pytest.mark.parametrize("anyio_backend", LOOPS)
async def test_a_large_string_arrives_between_others() -> None:
    """On either event loop, and not all of it at once."""
    large = b"x" * 3_000_000

    def answer(command: list[bytes]) -> bytes:
        text = large if command == [b"GET", b"large"] else command[-1]
        return b"$%d\r\n%s\r\n" % (len(text), text)

    async with Scripted(answer) as server, asked(server.url) as ask:
        await ask.echo("first")
        one, found, other = await asyncio.gather(
            ask("ECHO", "before"), ask("GET", "large"), ask("ECHO", "after")
        )
        assert (one, found, other) == (b"before", large, b"after")
        assert type(found) is bytes
        assert server.connections == 1


async def test_a_large_string_that_ends_early_is_no_reply() -> None:
    """Who awaits it is told so, and the next call has a new connection."""
    async with Scripted(lambda _: b"$3000000\r\nxxx") as server, asked(server.url) as ask:
        call = asyncio.ensure_future(ask("GET", "large"))
        await turns()
        server.cut()
        with pytest.raises(ConnectionError):
            await call
