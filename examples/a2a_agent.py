"""An A2A server's handler whose tasks outlive its process. The agent is scripted: no network.

pip install 'redis-store[embedded,a2a]'
python examples/a2a_agent.py ./tasks "Book a table"
python examples/a2a_agent.py ./tasks "Book a train"
"""

import argparse
import asyncio
from pathlib import Path
from uuid import uuid4

from a2a.server.context import ServerCallContext
from a2a.types.a2a_pb2 import ListTasksRequest, Message, Part, Task, TaskState, TaskStatus

from redis_store import RedisStore
from redis_store.integrations.a2a import RedisTaskStore

CONTEXT = "conversation-1"


async def work(tasks: RedisTaskStore, said: str) -> None:
    """Do what is asked; an A2A server passes the store as ``task_store=`` to its handler."""
    caller = ServerCallContext()
    task = Task(id=str(uuid4()), context_id=CONTEXT)
    task.history.append(Message(message_id=str(uuid4()), parts=[Part(text=said)]))
    for state in (TaskState.TASK_STATE_WORKING, TaskState.TASK_STATE_COMPLETED):
        task.status.CopyFrom(TaskStatus(state=state))
        task.status.timestamp.GetCurrentTime()
        await tasks.save(task, caller)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Give an agent tasks.")
    parser.add_argument("directory", type=Path, help="where its tasks are kept")
    parser.add_argument("said", help="what it is to do")
    arguments = parser.parse_args()
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        tasks = RedisTaskStore(store)
        await work(tasks, arguments.said)
        done = ListTasksRequest(context_id=CONTEXT, status=TaskState.TASK_STATE_COMPLETED)
        found = await tasks.list(done, ServerCallContext())
        for task in found.tasks:
            print(f"done: {task.history[0].parts[0].text}")
        print(f"{found.total_size} tasks of {CONTEXT}")


if __name__ == "__main__":
    asyncio.run(main())
