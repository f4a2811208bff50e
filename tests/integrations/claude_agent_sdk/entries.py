"""Entries as the SDK mirrors them, and what is stored of them."""

from collections.abc import Iterable
from typing import Any, cast

from claude_agent_sdk import SessionKey, SessionStoreEntry, fold_session_summary

from redis_store.integrations.claude_agent_sdk import RedisSessionStore

KEY: SessionKey = {"project_key": "p", "session_id": "s"}


def session(id_: str, project: str = "p") -> SessionKey:
    return {"project_key": project, "session_id": id_}


AGENT: SessionKey = {**KEY, "subpath": "subagents/agent-1"}


def entry(uuid: str = "", **fields: Any) -> SessionStoreEntry:
    """An entry; one without a ``uuid`` is a marker."""
    named = {"uuid": uuid} if uuid else {}
    return cast("SessionStoreEntry", {"type": "user", **named, **fields})


def entries(uuids: Iterable[object]) -> list[SessionStoreEntry]:
    return [entry(str(uuid)) for uuid in uuids]


async def uuids(sessions: RedisSessionStore, key: SessionKey = KEY) -> list[str | None]:
    return [each.get("uuid") for each in await sessions.load(key) or []]


async def assert_summaries_follow(sessions: RedisSessionStore, project: str = "p") -> None:
    """Check that each summary is that of all stored entries, in their order."""
    listed = await sessions.list_sessions(project)
    summaries = await sessions.list_session_summaries(project)
    dates = {each["session_id"]: each["mtime"] for each in listed}
    assert {each["session_id"]: each["mtime"] for each in summaries} == dates
    for each in summaries:
        key: SessionKey = {"project_key": project, "session_id": each["session_id"]}
        found = await sessions.load(key)
        assert each["data"] == fold_session_summary(None, key, found or [])["data"]
