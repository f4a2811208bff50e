"""Callers that share a connection to a real server: each gets its own reply, in time."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, cast

import anyio
import pytest
import redis.asyncio as aioredis

from redis_store import BackendTimeoutError, BackendUnavailableError, RedisStore
from tests.support.deployments.servers import Server, server_binaries
from tests.support.inspection.leftovers import no_leaks
from tests.support.records.builders import thread
from tests.support.schedules.waiting import until
from tests.support.wire.multiplexers import LOOPS, Asked, asked, first_stream, turns
from tests.support.wire.proxies import CountingProxy, TlsTerminator
from tests.support.wire.raw import Raw


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose clients may be killed."""
    binary = next(iter(server_binaries().values()))
    workdir = tmp_path_factory.mktemp("own")
    await first_stream()
    async with await Server.start(binary, tcp=True, workdir=workdir) as server:
        yield server


async def test_concurrent_calls_are_one_round_trip(own: Server) -> None:
    """GEN-04: over the one connection that is there."""
    async with CountingProxy(own.socket) as proxy, RedisStore(proxy.url) as store:
        with proxy.measure() as cost:
            found = await asyncio.gather(
                *(store.memory.get_thread_by_id(str(n)) for n in range(200))
            )
        assert found == [None] * 200
        assert cost.round_trips == 1
        assert len(cost.commands) == 200


async def test_single_replies_come_between_lists_of_replies(own: Server) -> None:
    """Each caller gets its own, whatever it is: a value, none, an array, an error."""
    async with asked(own.url) as ask:
        await ask("DEL", "list", "text", "none")
        await ask("RPUSH", "list", "a", "b")
        await ask("SET", "text", "x" * 100_000)
        multiplexer, deadline = ask.multiplexer, monotonic() + 5
        one = [("GET", "text"), ("GET", "none"), ("LRANGE", "list", 0, -1), ("GET", "list")]
        waiting = [
            future
            for command in one
            for future in (
                multiplexer.ask(command, deadline),
                multiplexer.send([("ECHO", 1), command], deadline),
            )
        ]
        replies = [await each for each in waiting]
        assert replies[0:6:2] == [b"x" * 100_000, None, [b"a", b"b"]]
        assert "WRONGTYPE" in str(replies[6])
        for single, several in zip(replies[::2], replies[1::2], strict=True):
            assert several[0] == b"1"
            assert str(several[1]) == str(single)
        await ask("DEL", "list", "text")


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("seed", range(2))
async def test_no_caller_gets_anothers_reply(seed: int, protocol: int, own: Server) -> None:
    """Callers leave at random, connections are killed, and some calls have one of their own."""
    random, answered, lost = Random(seed), 0, 0  # noqa: S311

    async def call(ask: Asked, number: int) -> None:
        nonlocal answered, lost
        for turn in range(40):
            word = f"{number} {turn} " + "x" * random.choice([0, 0, 10, 5_000, 70_000])
            with anyio.move_on_after(random.choice([0, 0.0005, 0.002, 1, 1])):
                try:
                    await ask.echo(word, dedicated=random.random() < 0.05)
                    answered += 1
                except BackendUnavailableError:
                    lost += 1
            await turns(1)

    async with asked(own.url, size=4, protocol=protocol) as ask, Raw(own.url) as raw:
        calling = asyncio.gather(*(call(ask, number) for number in range(30)))
        while not calling.done():
            await raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            enough = answered + 25
            while answered < enough and not calling.done():
                await asyncio.wait([calling], timeout=0.005)
        await calling
        assert answered > 200
        assert lost > 0
        await ask.echo("it still works")


async def test_large_values_do_not_hold_small_ones_up(own: Server) -> None:
    """5 MB go out and come in beside a thousand small calls, each of which gets its own reply."""
    large = os.urandom(5_000_000)
    async with asked(own.url) as ask:
        await ask("SET", "large", large)
        began = monotonic()
        longest = 0.0

        async def small(number: int) -> None:
            nonlocal longest
            await ask.echo(str(number))
            longest = max(longest, monotonic() - began)

        writing = asyncio.ensure_future(ask("SET", "other", large))
        reading = asyncio.ensure_future(ask("GET", "large"))
        await asyncio.gather(*map(small, range(1_000)))
        assert await reading == large
        assert await writing == b"OK"
        assert longest < 0.5
        assert await ask("GET", "other") == large
        await ask("DEL", "large", "other")


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_no_more_connections_than_allowed(size: int, own: Server) -> None:
    """Calls wait for one; those that share do too, and then keep theirs."""
    async with Raw(own.url) as raw:
        before = (await raw("CLIENT", "LIST")).count(b"\n")
        async with asked(own.url, size=size) as ask:
            calls = [ask.echo(f"{n}", dedicated=n % 3 > 0) for n in range(300)]
            await asyncio.gather(*calls, *(ask.echo("x" * 70_000) for _ in range(20)))
            open_ = (await raw("CLIENT", "LIST")).count(b"\n") - before
            assert 0 < open_ <= size


async def test_a_killed_connection_is_replaced(own: Server) -> None:
    """The next call has a new one, and nobody is told where nothing was under way."""
    async with asked(own.url) as ask, Raw(own.url) as raw:
        first = await ask("CLIENT", "ID")
        assert await ask("CLIENT", "ID") == first
        for _ in range(60):
            assert await raw("CLIENT", "KILL", "ID", first) == 1
            # Its end is there before what is sent now is answered.
            with suppress(BackendUnavailableError):
                await ask.echo("x")
            last, first = first, await ask("CLIENT", "ID")
            assert last != first


async def test_a_server_that_stands_still_is_left_in_time(tmp_path: Path) -> None:
    """ST-01: the error comes within a tenth of the deadline; once it goes on, calls work."""
    binary = next(iter(server_binaries().values()))
    await first_stream()
    async with await Server.start(binary, workdir=tmp_path) as server:
        timeout = timedelta(seconds=1)
        async with no_leaks(), RedisStore(server.url, operation_timeout=timeout) as store:
            await store.memory.save_thread(thread("t"))
            os.kill(server.pid, signal.SIGSTOP)
            try:
                began = monotonic()
                calls = [store.memory.get_thread_by_id("t") for _ in range(20)]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert 0.99 < monotonic() - began < 1.1
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert {type(each) for each in outcomes} == {BackendTimeoutError}
            found = await store.memory.get_thread_by_id("t")
            assert found is not None
            await store.memory.dangerously_clear_all()


def _eager_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    # As asyncio.eager_task_factory, which in 3.13.0 refuses an option that uvloop 0.23 passes.
    options["eager_start"] = True
    return asyncio.Task(coroutine, loop=loop, **options)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="event loops have no eager tasks")
async def test_a_connection_that_is_there_at_once_is_shared(own: Server) -> None:
    """ST-01: with eager tasks, connecting may end before whoever began it goes on."""
    loop = asyncio.get_running_loop()
    async with asked(own.url) as ask:
        await ask.echo("the pool has a connection now", dedicated=True)
        loop.set_task_factory(cast("Any", _eager_task))
        try:
            for number in range(3):
                with anyio.fail_after(1):
                    await ask.echo(str(number))
                ask.multiplexer.reconnect("once more")
        finally:
            loop.set_task_factory(None)


async def test_tls_is_shared_too(own: Server) -> None:
    """ST-01: small calls, large ones, and callers that leave."""
    async with TlsTerminator(own.socket) as tls:
        url, trusted = f"rediss://127.0.0.1:{tls.port}", str(tls.ca_path)
        await turns()  # until it accepts: its tasks are no leak
        async with asked(url, ssl_ca_certs=trusted, size=3) as ask:
            for _ in range(5):
                calls = [asyncio.ensure_future(ask.echo(f"{n}" * 100)) for n in range(100)]
                large = [asyncio.ensure_future(ask.echo(f"{n}" * 70_000)) for n in range(3)]
                await turns(1)
                for call in [*calls[::7], large[1]]:
                    call.cancel()
                outcomes = await asyncio.gather(*calls, *large, return_exceptions=True)
                left = [each for each in outcomes if each is not None]
                assert {type(each) for each in left} == {asyncio.CancelledError}
                assert len(left) == len(calls[::7]) + 1


async def test_a_borrowed_clients_connections_are_not_kept(own: Server) -> None:
    """ST-03: with one connection, the store and its lender take turns."""
    from_url = cast("Any", aioredis.Redis).from_url
    async with no_leaks(), from_url(own.url, max_connections=1) as client:
        async with RedisStore(client=client) as store:
            for _ in range(3):
                calls = [store.memory.get_thread_by_id(str(n)) for n in range(20)]
                assert await asyncio.gather(*calls) == [None] * 20
                assert await client.ping()
        assert await client.ping()


async def test_a_borrowed_clients_reader_is_its_own_again(own: Server) -> None:
    """ST-03: what comes after the store's calls, the client reads: replies, pushes, and the end."""
    from_url = cast("Any", aioredis.Redis).from_url
    async with (
        no_leaks(),
        Raw(own.url) as raw,
        from_url(own.url, max_connections=1, decode_responses=True) as client,
        RedisStore(client=client) as store,
    ):
        await client.client_tracking_on(bcast=True)
        for number in range(20):
            assert await store.memory.get_thread_by_id(str(number)) is None
            await raw("SET", "pushed", number)
            assert await client.get("pushed") == str(number)
        identity = await client.client_id()
        await raw("CLIENT", "KILL", "ID", identity)
        await until(lambda: _is_gone(raw, identity), "the connection is gone")
        assert await store.memory.get_thread_by_id("t") is None
        assert await client.client_id() != identity
        await raw("DEL", "pushed")


async def _is_gone(raw: Raw, identity: int) -> bool:
    return b"id=%d " % identity not in await raw("CLIENT", "LIST")
