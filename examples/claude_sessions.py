"""A session of the Claude Agent SDK that goes on in another process. Its Claude is a script.

pip install 'redis-store[embedded,claude-agent-sdk]'
python examples/claude_sessions.py ./memory "My name is Ana"
python examples/claude_sessions.py ./memory "What is my name?"

A real agent is given the session store by its options, and mirrors what it says by itself:
ClaudeAgentOptions(session_store=sessions, resume=SESSION).
"""

import argparse
import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

from claude_agent_sdk import (
    SessionKey,
    SessionStoreEntry,
    get_session_messages_from_store,
    list_sessions_from_store,
    project_key_for_directory,
)

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore

USER, SESSION = "user-1", "11111111-1111-4111-8111-111111111111"
KEY: SessionKey = {"project_key": project_key_for_directory(), "session_id": SESSION}


def answer(said: list[str]) -> str:
    """Stands in for Claude, who knows what was said."""
    names = [
        name[1] for text in said if (name := re.search(r"my name is (\w+)", text, re.IGNORECASE))
    ]
    if "what is my name" in said[-1].lower():
        return f"You are {names[-1]}." if names else "You have not told me."
    return f"You have said {len(said)} things."


def entry(role: str, text: str, after: str | None) -> SessionStoreEntry:
    """A line of a transcript, as Claude Code writes it."""
    line = {
        "type": role,
        "uuid": str(uuid4()),
        "parentUuid": after,
        "sessionId": SESSION,
        "timestamp": datetime.now(UTC).isoformat(),
        "message": {"role": role, "content": text},
    }
    return cast("SessionStoreEntry", line)


async def turn(sessions: RedisSessionStore, text: str) -> str:
    history = await get_session_messages_from_store(sessions, SESSION)
    said = [str(each.message["content"]) for each in history if each.type == "user"]
    question = entry("user", text, history[-1].uuid if history else None)
    reply = answer([*said, text])
    await sessions.append(KEY, [question, entry("assistant", reply, question.get("uuid"))])
    return reply


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        sessions = RedisSessionStore(store, user=USER)
        for said in arguments.said:
            print(f"you:   {said}")
            print(f"agent: {await turn(sessions, said)}")
        for session in await list_sessions_from_store(sessions):
            print(f"session of {USER}: {session.first_prompt}")


if __name__ == "__main__":
    asyncio.run(main())
