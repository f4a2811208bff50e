"""Short ways to build records for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from redis_store import Message, Thread

T0 = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def at(us: int) -> datetime:
    """So many microseconds after T0."""
    return T0 + timedelta(microseconds=us)


def thread(id: str = "t", resource_id: str = "u", **fields: Any) -> Thread:
    """Build a thread that was created and updated at T0."""
    dates: dict[str, Any] = {"created_at": T0, "updated_at": T0}
    return Thread(id=id, resource_id=resource_id, **(dates | fields))


def message(
    id: str,
    us: int = 0,
    *,
    thread_id: str = "t",
    resource_id: str = "u",
    text: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Message:
    """Build a user's text message that was created so many microseconds after T0."""
    return Message.from_text(
        "user",
        id if text is None else text,
        thread_id=thread_id,
        resource_id=resource_id,
        id=id,
        created_at=at(us),
        metadata=metadata,
    )
