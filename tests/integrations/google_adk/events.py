"""Events as agents give them, and sessions in a form that can be compared."""

from typing import Any, NamedTuple

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.session import Session
from google.genai import types


class Names(NamedTuple):
    """Which session; the arguments that every call has."""

    app_name: str = "app"
    user_id: str = "ana"
    session_id: str = "s"

    @property
    def arguments(self) -> dict[str, Any]:
        return self._asdict()


SESSION = Names()


def event(
    text: str = "hi", at: float = 1e9, delta: dict[str, Any] | None = None, **fields: Any
) -> Event:
    content = types.Content(role="user", parts=[types.Part(text=text)])
    given: dict[str, Any] = {"author": "user", "content": content, "timestamp": at} | fields
    return Event(actions=EventActions(state_delta=delta or {}), **given)


async def created(service: BaseSessionService, names: Names = SESSION, **state: Any) -> Session:
    """A new session; of a state's keys, ``app_`` and the like stand for prefixes."""
    given = {key.replace("_", ":"): value for key, value in state.items()}
    return await service.create_session(**names.arguments, state=given)


async def read(service: BaseSessionService, names: Names = SESSION, **config: Any) -> Session:
    found = await service.get_session(**names.arguments, config=GetSessionConfig(**config))
    assert found is not None
    return found


def texts(session: Session) -> list[str | None]:
    found: list[str | None] = []
    for each in session.events:
        parts = each.content.parts if each.content else None
        found.append(parts[0].text if parts else None)
    return found


def seen(session: Session | None) -> dict[str, Any] | None:
    """All of a session; the time of one without events is that of its creation, so left out."""
    if session is None:
        return None
    fields = session.model_dump(mode="json", exclude={"last_update_time"})
    return fields | {"time": session.last_update_time if session.last_update_time < 1.5e9 else 0}
