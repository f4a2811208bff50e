"""Google ADK: the calls of a session service."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from google.adk.events.event import Event
from google.adk.integrations.redis import RedisSessionService as OwnService
from google.adk.integrations.redis import RedisSessionServiceConfig
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.session import Session
from google.genai import types
from redis.asyncio import Redis

from benchmarks.contenders.frameworks.steps import LENGTH, Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.google_adk import RedisSessionService

_OTHERS: Final = 20
_LAST: Final = GetSessionConfig(num_recent_events=10)
_OWNER: Final[dict[str, Any]] = {"app_name": "app", "user_id": "user"}
_ID: Final = "session"
_Put = Callable[[Session, list[Event]], Awaitable[object]]


def _event(number: int) -> Event:
    content = types.Content(role="user", parts=[types.Part(text=text(number))])
    return Event(author="user", content=content)


def _steps(service: BaseSessionService, put: _Put) -> Steps:
    """Build the steps; ``put`` gives a session its events."""
    numbers, sessions = count(), list[Session]()

    async def fill() -> None:
        session = await service.create_session(session_id=_ID, **_OWNER)
        await put(session, [_event(next(numbers)) for _ in range(LENGTH)])
        # Events are appended to a session that was read, as its runner does.
        read = await service.get_session(session_id=_ID, **_OWNER)
        if read is None or len(read.events) != LENGTH:
            raise ValueError("the session lacks events")
        sessions[:] = [read]
        for i in range(_OTHERS):
            await service.create_session(session_id=f"session {i}", **_OWNER)

    def append() -> Call:
        return giving(1, partial(service.append_event, sessions[0], _event(next(numbers))))

    async def last() -> int:
        read = await service.get_session(session_id=_ID, config=_LAST, **_OWNER)
        return 0 if read is None else len(read.events)

    async def list_all() -> int:
        return len((await service.list_sessions(**_OWNER)).sessions)

    calls: dict[str, Callable[[], Call]] = {
        "append an event": append,
        "last 10": lambda: last,
        "list 21 sessions": lambda: list_all,
    }
    return Steps(fill, calls)


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        service = RedisSessionService(store)

        async def put(session: Session, events: list[Event]) -> None:
            for event in events:
                await service.append_event(session, event)

        yield _steps(service, put)


@asynccontextmanager
async def _own(url: str, _: Path) -> AsyncGenerator[Steps]:
    config = RedisSessionServiceConfig()
    client: Any = cast("Any", Redis).from_url(url, decode_responses=True)

    async def put(session: Session, events: list[Event]) -> None:
        """Write the session as its service does, which would write it once per event."""
        session.events = events
        key = f"{config.key_prefix}{session.app_name}:{session.user_id}:{session.id}"
        await client.set(key, session.model_dump_json(), xx=True, keepttl=True)

    yield _steps(OwnService(config, client), put)
    await client.aclose()


STORES: Final[dict[str, Open]] = {"": _library, "google-adk": _own}
