"""An agent of Strands that remembers across runs. Its model is scripted: no network is needed.

pip install 'redis-store[embedded,strands-agents]'
python examples/strands_agent.py ./memory "My name is Ana"
python examples/strands_agent.py ./memory "What is my name?"
"""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from strands import Agent
from strands.models.model import Model
from strands.session import SnapshotSessionManager

from redis_store import RedisStore
from redis_store.integrations.strands import RedisStorage


class ScriptedModel(Model):
    """Stands in for a language model: it answers from the conversation that it is given."""

    def update_config(self, **_: Any) -> None: ...

    def get_config(self) -> dict[str, Any]:
        return {}

    def structured_output(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncIterator[Any]:
        said = [part["text"] for each in messages for part in each["content"]]
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": answer(said)}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


def answer(said: list[str]) -> str:
    names = re.findall(r"my name is (\w+)", "\n".join(said), re.IGNORECASE)
    if "what is my name" in said[-1].lower():
        return f"You are {names[-1]}." if names else "You have not told me."
    return "Nice to meet you!"


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        session = SnapshotSessionManager("chat", storage=RedisStorage(store))
        agent = Agent(model=ScriptedModel(), session_manager=session, callback_handler=None)
        for said in arguments.said:
            print(f"you:   {said}")
            print(f"agent: {str(await agent.invoke_async(said)).strip()}")
        print(f"it remembers {len(agent.messages)} messages")


if __name__ == "__main__":
    asyncio.run(main())
