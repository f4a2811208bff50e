"""Stores that die at a chosen request, as a killed process does."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, cast, get_args

from redis_store import RedisStore
from redis_store._connections.slots import slot_of
from tests.support.deployments.place import Place

# What the server gets of the last request: nothing; all of it, but nobody reads the replies; or
# what goes to some of the nodes.
Death = Literal["before", "after", "amid"]
DEATHS: tuple[Death, ...] = get_args(Death)


class KilledError(Exception):
    """The process is gone."""


class Killer:
    """Counts requests, and lets none through from the chosen one on."""

    def __init__(self, point: int, death: Death) -> None:
        self.left = point
        self._death = death
        self.has_struck = False

    def wrap(self, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def mortal(commands: Sequence[Any], *args: Any, **options: Any) -> Any:
            if self.has_struck:
                raise KilledError
            if self.left:
                self.left -= 1
                return await send(commands, *args, **options)
            self.has_struck = True
            is_one = isinstance(commands[0], str)  # a command to ask, or a pattern to scan
            sent = commands if is_one else self._share(commands)
            if sent:
                await send(sent, *args, **options)
            raise KilledError

        return mortal

    def _share(self, commands: Sequence[Any]) -> list[Any]:
        if self._death == "amid":
            return [each for each in commands if slot_of(_key(each)) % 2]
        return [*commands] if self._death == "after" else []


def _key(command: Sequence[Any]) -> str:
    is_script = command[0] in ("EVALSHA", "EVAL")
    return str(command[3 if is_script else 1]) if len(command) > 1 else ""


@asynccontextmanager
async def mortal_store(
    place: Place, point: int, death: Death, **options: Any
) -> AsyncGenerator[tuple[RedisStore, Killer]]:
    """Open a further store on a test's data that dies at its nth request, from 0."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    store = RedisStore(place.url, key_prefix=prefix, hash_tags=hash_tags, **options)
    async with store:
        await store.ping()
        killer = Killer(point, death)
        deployment = cast("Any", store)._lifecycle.deployment  # noqa: SLF001 - what every request passes
        for name in ("send", "ask", "scan"):
            setattr(deployment, name, killer.wrap(getattr(deployment, name)))
        yield store, killer
