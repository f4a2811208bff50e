"""A web chat that remembers: FastAPI, replies that stream, a scripted model.

python examples/web_chat.py --port 8000
curl -N localhost:8000/users/ana/threads/hello/messages -d "My name is Ana"
curl localhost:8000/users/ana/threads/hello/messages
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from redis_store import MemoryStore, Message, Page, RedisStore, Thread


def create_app(url: str) -> FastAPI:
    """Build the app; its store opens with the server and closes with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with RedisStore(url) as store:
            app.state.memory = store.memory
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/users/{user}/threads", list_threads)
    app.add_api_route("/users/{user}/threads/{thread_id}", get_thread)
    app.add_api_route("/users/{user}/threads/{thread_id}/messages", list_messages)
    app.add_api_route("/users/{user}/threads/{thread_id}/messages", say, methods=["POST"])
    return app


def memory_of(request: Request) -> MemoryStore:
    memory: MemoryStore = request.app.state.memory
    return memory


Memory = Annotated[MemoryStore, Depends(memory_of)]
PageNumber = Annotated[int, Query(ge=0)]


def json_of(record: Thread | Page[Thread] | Page[Message], *name: str) -> Response:
    # Not the record itself: FastAPI would look for its fields, and find none.
    return Response(record.to_json(*name), media_type="application/json")


async def list_threads(user: str, memory: Memory, page: PageNumber = 0) -> Response:
    threads = await memory.list_threads_by_resource_id(user, page=page, order_by="updated_at")
    return json_of(threads, "threads")


async def get_thread(user: str, thread_id: str, memory: Memory) -> Response:
    # With the user's id, as a thread of somebody else must read as absent.
    thread = await memory.get_thread_by_id(thread_id, resource_id=user)
    if thread is None:
        raise HTTPException(404)
    return json_of(thread)


async def list_messages(
    user: str, thread_id: str, memory: Memory, page: PageNumber = 0
) -> Response:
    history = await memory.list_messages(thread_id, resource_id=user, page=page)
    return json_of(history, "messages")


async def say(
    user: str, thread_id: str, memory: Memory, text: Annotated[bytes, Body()]
) -> StreamingResponse:
    thread = await memory.get_thread_by_id(thread_id)
    if thread is None:
        await memory.save_thread(Thread(id=thread_id, resource_id=user))
    elif thread.resource_id != user:
        raise HTTPException(404)
    said = Message.from_text("user", text.decode(), thread_id=thread_id, resource_id=user)
    await memory.save_messages([said])
    newest = await memory.list_messages(thread_id, per_page=20, direction="desc")
    return StreamingResponse(answer(memory, newest.items[::-1]), media_type="text/plain")


async def answer(memory: MemoryStore, history: list[Message]) -> AsyncIterator[str]:
    """Stream the model's answer; when all of it was said, remember it."""
    words: list[str] = []
    async for word in scripted_model(history):
        words.append(word)
        yield word
    last = history[-1]
    reply = Message.from_text(
        "assistant", "".join(words), thread_id=last.thread_id, resource_id=last.resource_id
    )
    await memory.save_messages([reply])


async def scripted_model(history: list[Message]) -> AsyncIterator[str]:
    """Stand in for a language model, a word at a time."""
    mine = [message.text for message in history if message.role == "user"]
    reply = f"You said {mine[-1]!r}; before that, {len(mine) - 1} other things."
    for word in reply.split(" "):
        await asyncio.sleep(0.01)
        yield f"{word} "


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a chat that remembers.")
    parser.add_argument("--url", default="embedded://", help="where the memory is kept")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    uvicorn.run(create_app(arguments.url), port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
