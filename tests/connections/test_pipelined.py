"""What goes over a shared connection, byte by byte, and what comes of what comes back."""

import asyncio
from time import monotonic

import anyio.lowlevel
import pytest

from redis_store import BackendTimeoutError, BackendUnavailableError
from redis_store._connections.pipelined import pack
from tests.support.schedules.waiting import until
from tests.support.wire.multiplexers import LOOPS, asked, turns
from tests.support.wire.scripted_server import Scripted, echo, silence

PUSH = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
# More than a socket and a transport buffer together, in calls that share.
FLOOD = [f"{n:060000d}" for n in range(200)]


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def test_the_event_loop_is_the_one_asked_for(
    anyio_backend: tuple[str, dict[str, bool]],
) -> None:
    """Else the tests of this module say nothing about uvloop."""
    loop = asyncio.get_running_loop()
    assert type(loop).__module__.startswith("uvloop") == anyio_backend[1]["use_uvloop"]


async def test_calls_of_one_turn_are_one_write() -> None:
    """One read of the server's has them all, in the order they were made in."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        await ask.echo("first")
        server.reads.clear()
        await asyncio.gather(*(ask.echo(str(n)) for n in range(500)))
        assert len(server.reads) == 1
        assert [int(word) for _, word in server.received[1:]] == list(range(500))
        assert server.connections == 1


async def test_what_is_large_or_dedicated_has_another_connection() -> None:
    """It would keep the others waiting; then the connection is there for the next."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        await ask.echo("small")
        await ask.echo("x" * 65_000)
        assert server.connections == 1
        await ask.echo("x" * 65_536)
        await ask.echo("wait", dedicated=True)
        assert server.connections == 2


async def test_a_call_that_left_in_its_turn_is_not_sent() -> None:
    """Its neighbour is, and gets its own reply."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        await ask.echo("first")
        leaving, staying = (asyncio.ensure_future(ask.echo(word)) for word in ("left", "stayed"))
        await anyio.lowlevel.cancel_shielded_checkpoint()
        leaving.cancel()
        await staying
        assert leaving.cancelled()
        assert [word for _, word in server.received] == [b"first", b"stayed"]


async def test_pushes_are_no_replies() -> None:
    """They may come before, between and after replies, and when nobody asked."""
    async with Scripted(lambda c: PUSH + echo(c) + PUSH) as server, asked(server.url) as ask:
        for _ in range(3):
            await asyncio.gather(*(ask.echo(str(n)) for n in range(20)))
            server.send(PUSH * 3)
        await ask.echo("last")
        assert server.connections == 1


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400\r\n", b"-MOVED nowhere\r\n", b"*x\r\n", b"$-9\r\n"]
)
async def test_garbage_ends_the_connection(data: bytes) -> None:
    """Who awaits a reply is told so, and the next call has a new connection."""
    answers = [data]
    async with (
        Scripted(lambda c: answers.pop() if answers else echo(c)) as server,
        asked(server.url) as ask,
    ):
        calls = [ask.echo(str(n)) for n in range(3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in outcomes] == [BackendUnavailableError] * 3
        await ask.echo("next")
        assert server.connections == 2


@pytest.mark.parametrize("is_idle", [True, False])
async def test_a_reply_nobody_asked_for_ends_the_connection(is_idle: bool) -> None:  # noqa: FBT001
    """Whoever called next would get it."""
    extra = [b"" if is_idle else b"+EXTRA\r\n"]
    async with (
        Scripted(lambda c: echo(c) + (extra.pop() if extra else b"")) as server,
        asked(server.url) as ask,
    ):
        await ask.echo("first")
        if is_idle:
            server.send(b"+EXTRA\r\n")
            await turns()
        for word in ("second", "third"):
            await ask.echo(word)
        assert server.connections == 2


async def test_a_reply_that_is_cut_off_is_none() -> None:
    """What was answered before stands; the rest is in doubt, and the next call connects anew."""
    async with Scripted(silence) as server, asked(server.url) as ask:
        calls = [asyncio.ensure_future(ask("ECHO", str(n))) for n in range(4)]
        await until(lambda: len(server.received) == 4, "all arrived")
        server.send(b"$1\r\n0\r\n*2\r\n:1\r\n$9\r\nhal")
        assert await calls[0] == b"0"
        server.cut()
        for call in calls[1:]:
            with pytest.raises(BackendUnavailableError) as caught:
                await call
            assert caught.value.details["in_doubt"] is True
        again = asyncio.ensure_future(ask("ECHO", "again"))
        await until(lambda: len(server.received) == 5, "it arrived")
        server.send(b"+5\r\n")
        assert await again == b"5"
        assert server.connections == 2


async def test_at_most_10_000_replies_are_awaited() -> None:
    """Calls beyond that wait for their turn, and it comes without another call's help."""
    async with Scripted(silence) as server, asked(server.url) as ask:
        calls = [asyncio.ensure_future(ask("ECHO", n)) for n in range(12_000)]
        await until(lambda: len(server.received) >= 10_000, "as many arrived as may")
        assert len(server.received) == 10_000
        server.send(b"".join(map(echo, server.received)))
        await until(lambda: len(server.received) == 12_000, "the others arrived")
        server.send(b"".join(map(echo, server.received[10_000:])))
        assert await asyncio.gather(*calls) == [b"%d" % n for n in range(12_000)]


async def test_commands_of_one_call_count_each() -> None:
    """A call whose replies would be too many waits whole."""
    async with Scripted(silence) as server, asked(server.url) as ask:
        commands = [("GET", "x")] * 2_400
        calls = [
            asyncio.ensure_future(ask.multiplexer.send(commands, monotonic() + 5)) for _ in range(5)
        ]
        await until(lambda: len(server.received) >= 9_600, "four arrived")
        server.send(b"+x\r\n" * 2_399)
        await turns()
        assert len(server.received) == 9_600
        server.send(b"+x\r\n")
        await until(lambda: len(server.received) == 12_000, "the fifth arrived")
        server.send(b"+x\r\n" * 9_600)
        assert {len(each) for each in await asyncio.gather(*calls)} == {2_400}


async def test_nothing_is_sent_to_a_server_that_does_not_read() -> None:
    """Who leaves meanwhile is never sent; the others are once it reads again, in their order."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        await ask.echo("first")
        server.listens.clear()
        flood = [asyncio.ensure_future(ask.echo(word)) for word in FLOOD]
        await turns()
        left, late = (asyncio.ensure_future(ask.echo(word)) for word in ("left", "late"))
        await turns()
        left.cancel()
        server.listens.set()
        await asyncio.gather(*flood, late)
        assert [word.decode() for _, word in server.received] == ["first", *FLOOD, "late"]


async def test_only_what_was_sent_is_in_doubt_when_the_connection_is_lost() -> None:
    """What was still queued goes over the next connection, and nobody notices."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        await ask.echo("first")
        server.listens.clear()
        flood = [asyncio.ensure_future(ask.echo(word)) for word in FLOOD]
        await turns()
        late = asyncio.ensure_future(ask.echo("late"))
        await turns()
        server.cut()
        server.listens.set()
        await late
        outcomes = await asyncio.gather(*flood, return_exceptions=True)
        # What the server read of them before it was told not to.
        failed = [each for each in outcomes if each is not None]
        assert len(failed) > len(flood) / 2
        for outcome in failed:
            assert isinstance(outcome, BackendUnavailableError)
            assert outcome.details["in_doubt"] is True
        assert server.connections == 2


@pytest.mark.parametrize("dedicated", [False, True])
async def test_losses_cost_no_connections(dedicated: bool) -> None:  # noqa: FBT001
    """With room for two a third would fail, and so would a place that is never given back."""
    async with Scripted(silence) as server, asked(server.url, size=2) as ask:
        for number in range(1, 201):
            calls = [asyncio.ensure_future(ask.echo("x")) for _ in range(2)]
            if dedicated:
                calls.append(asyncio.ensure_future(ask.echo("x", dedicated=True)))
            wanted = number * len(calls)
            while len(server.received) < wanted:
                await turns(1)
            server.cut()
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(outcome, BackendUnavailableError)
                assert outcome.details["reason"] == "UNAVAILABLE"
        assert server.connections == 200 * (1 + dedicated)


@pytest.mark.parametrize("dedicated", [False, True])
async def test_a_connection_that_ended_meanwhile_is_replaced(dedicated: bool) -> None:  # noqa: FBT001
    """Nobody is told, as nothing was under way."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        for number in range(1, 4):
            await ask.echo("x", dedicated=dedicated)
            assert server.connections == number
            server.end() if number % 2 else server.cut()
            await turns()
        await ask.echo("x", dedicated=dedicated)


async def test_a_server_that_does_not_greet_is_not_waited_for() -> None:
    """Nothing was sent, so nothing is in doubt; once it greets the next call works."""
    async with Scripted(echo) as server, asked(server.url, seconds=0.5) as ask:
        server.greets.clear()
        began = monotonic()
        with pytest.raises(BackendTimeoutError) as caught:
            await ask.echo("x")
        assert 0.45 < monotonic() - began < 0.55
        assert caught.value.details["in_doubt"] is False
        server.greets.set()
        await ask.echo("y")
        assert [word for _, word in server.received] == [b"y"]


async def test_a_silent_connection_is_given_up() -> None:
    """Late replies reach nobody: the next call has another connection."""
    async with Scripted(silence) as server, asked(server.url, seconds=0.5) as ask:
        began = monotonic()
        with pytest.raises(BackendTimeoutError) as caught:
            await ask.echo("x")
        assert 0.45 < monotonic() - began < 0.55
        assert caught.value.details["in_doubt"] is True
        await turns()
        call = asyncio.ensure_future(ask.echo("y"))
        await until(lambda: len(server.received) == 2, "it arrived")
        server.send(b"+y\r\n")
        await call
        assert server.connections == 2


async def test_replies_to_what_was_sent_come_before_the_connection_is_left() -> None:
    """A primary that was demoted has applied what it answers so."""
    async with Scripted(silence) as server, asked(server.url) as ask:
        before = [asyncio.ensure_future(ask.echo(str(n))) for n in range(3)]
        await until(lambda: len(server.received) == 3, "all arrived")
        ask.multiplexer.reconnect("demoted")
        after = asyncio.ensure_future(ask.echo("after"))
        await turns()
        assert server.connections == 1
        server.send(b"".join(map(echo, server.received)))
        await asyncio.gather(*before)
        await until(lambda: len(server.received) == 4, "it arrived")
        assert server.connections == 2
        server.send(echo([b"after"]))
        await after


@pytest.mark.parametrize("size", [1, 63, 64, 65, 128, 1000])
def test_a_command_of_any_length_is_packed_as_one(size: int) -> None:
    command = tuple(f"é{n}".encode() * n for n in range(size))
    expected = b"*%d\r\n" % size + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in command)
    assert pack(command) == expected
    assert pack(command, ("PING", 1, 1.5), command) == (
        expected + b"*3\r\n$4\r\nPING\r\n$1\r\n1\r\n$3\r\n1.5\r\n" + expected
    )
