"""Closing while calls are under way: each is told so at once, and nothing stays open."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from redis.credentials import CredentialProvider

from redis_store import BackendUnavailableError, RedisStore, StoreClosedError
from tests.support.deployments.servers import Server, server_binaries
from tests.support.inspection.leftovers import no_leaks
from tests.support.schedules.waiting import until
from tests.support.wire.multiplexers import LOOPS, Asked, asked, first_stream, turns
from tests.support.wire.scripted_server import Scripted, echo, silence


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def closed_under(
    ask: Asked, calls: "Sequence[asyncio.Future[None]]", *, in_doubt: bool
) -> None:
    with anyio.fail_after(1):
        await ask.multiplexer.close()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, BackendUnavailableError)
        assert outcome.details["in_doubt"] is in_doubt


async def test_calls_that_await_replies_are_in_doubt() -> None:
    """ST-03: those that share and those that do not."""
    async with Scripted(silence) as server, asked(server.url) as ask:
        calls = [asyncio.ensure_future(ask.echo(str(n))) for n in range(3)]
        await until(lambda: len(server.received) == 3, "all arrived")
        await closed_under(ask, calls, in_doubt=True)


async def test_calls_that_await_a_connection_are_not_in_doubt() -> None:
    """ST-03: the server may never greet."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        server.greets.clear()
        calls = [asyncio.ensure_future(ask.echo(str(n))) for n in range(3)]
        await until(lambda: server.connections == 1, "it connects")
        await closed_under(ask, calls, in_doubt=False)
        assert server.received == []
        server.greets.set()


@pytest.mark.parametrize("number", range(12))
async def test_a_call_that_just_began_leaves_nothing(number: int) -> None:
    """ST-03: at every step of connecting; afterwards no call connects again."""
    async with Scripted(silence) as server, asked(server.url) as ask:
        call = asyncio.ensure_future(ask.echo("x"))
        await turns(number)
        await ask.multiplexer.close()
        with anyio.fail_after(1), pytest.raises(BackendUnavailableError):
            await call
        connections = server.connections
        with pytest.raises(BackendUnavailableError, match="closed") as caught:
            await ask.echo("y")
        assert caught.value.details["in_doubt"] is False
        assert server.connections == connections


async def test_a_call_alone_that_connects_leaves_nothing() -> None:
    """ST-03: the connection it gets after the close is closed too."""
    async with Scripted(echo) as server, asked(server.url) as ask:
        server.greets.clear()
        call = asyncio.ensure_future(ask.echo("x", dedicated=True))
        await until(lambda: server.connections == 1, "it connects")
        await ask.multiplexer.close()
        server.greets.set()
        with pytest.raises(BackendUnavailableError, match="closed"):
            await call


async def test_calls_of_a_store_end_with_it(tmp_path: Path) -> None:
    """ST-03: calls that would be sent again are not; nothing connects to the server any more."""
    binary = next(iter(server_binaries().values()))
    await first_stream()
    async with await Server.start(binary, workdir=tmp_path) as own, no_leaks():
        store = RedisStore(own.url)
        await store.init()
        calls = [
            asyncio.ensure_future(store.memory.update_resource(f"{n}", working_memory="x" * size))
            for n in range(10)
            for size in (1, 70_000)
        ]
        await anyio.lowlevel.cancel_shielded_checkpoint()
        with anyio.fail_after(1):
            await store.close()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in outcomes} == {BackendUnavailableError}
        with pytest.raises(StoreClosedError):
            await store.memory.get_thread_by_id("x")


class Refusing(CredentialProvider):
    """Has no credentials to give."""

    def get_credentials(self) -> tuple[str]:
        raise LookupError("the vault is shut")


async def test_what_a_credential_provider_raises_reaches_every_caller() -> None:
    """At once, and as it was raised."""
    async with (
        Scripted(echo) as server,
        asked(server.url, credential_provider=Refusing()) as ask,
    ):
        calls = [ask.echo(str(n)) for n in range(3)]
        with anyio.fail_after(1):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [repr(each) for each in outcomes] == ["LookupError('the vault is shut')"] * 3
