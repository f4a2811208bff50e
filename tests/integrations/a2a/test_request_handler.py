"""The SDK's request handler on ``RedisTaskStore``: what it answers is what it does in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

pytest.importorskip("a2a", reason="needs redis-store[frameworks]")

from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events.event_queue import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    PushNotificationConfigStore,
    TaskStore,
    TaskUpdater,
)
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
)
from a2a.utils.errors import TaskNotFoundError

from redis_store import RedisStore
from redis_store.integrations.a2a import RedisPushNotificationConfigStore, RedisTaskStore
from tests.integrations.a2a.tasks import caller
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology

Stores = tuple[TaskStore, PushNotificationConfigStore]
CARD = AgentCard(
    name="waiter", capabilities=AgentCapabilities(streaming=True, push_notifications=True)
)


class Waiter(AgentExecutor):
    """Asks for the time, then books a table."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        task_id, context_id = str(context.task_id), str(context.context_id)
        updater = TaskUpdater(event_queue, task_id, context_id)
        if context.current_task is None:
            status = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            task = Task(id=task_id, context_id=context_id, status=status)
            assert context.message is not None
            task.history.append(context.message)
            await event_queue.enqueue_event(task)
            await updater.start_work()
            question = updater.new_agent_message([Part(text="At what time?")])
            await updater.requires_input(question)
            return
        await updater.start_work()
        booked = [Part(text=f"table, {context.get_user_input()}")]
        await updater.add_artifact(booked, name="booking")
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()


def handler(stores: Stores, client: httpx.AsyncClient) -> Any:
    tasks, configs = stores
    return DefaultRequestHandler(
        Waiter(),
        tasks,
        CARD,
        push_config_store=configs,
        push_sender=BasePushNotificationSender(client, configs),
    )


def said(text: str, task: Task | None = None) -> SendMessageRequest:
    message = Message(message_id=text, role=Role.ROLE_USER, parts=[Part(text=text)])
    if task is not None:
        message.task_id, message.context_id = task.id, task.context_id
    return SendMessageRequest(message=message)


def seen(task: Any) -> object:
    """A task without what chance and the clock decide."""
    assert isinstance(task, Task)
    return (
        TaskState.Name(task.status.state),
        [part.text for part in task.status.message.parts],
        [[part.text for part in each.parts] for each in task.history],
        [(each.name, [part.text for part in each.parts]) for each in task.artifacts],
    )


@asynccontextmanager
async def servers_end() -> AsyncGenerator[None]:
    """End what handlers run for tasks that wait for input; they have no call for it."""
    others = asyncio.all_tasks()
    yield
    if left := asyncio.all_tasks() - others:
        for each in left:
            each.cancel()
        await asyncio.wait(left)


async def converse(first: Stores, second: Stores) -> list[object]:
    """Book a table: the first handler takes the order, the second one all that follows."""
    notified: list[object] = []

    def receive(request: httpx.Request) -> httpx.Response:
        notified.append(request.headers["X-A2A-Notification-Token"])
        return httpx.Response(200)

    ana, bob, answers = caller("ana"), caller("bob"), list[object]()
    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as client:
        waiters = handler(first, client), handler(second, client)
        order = said("A table")
        config = TaskPushNotificationConfig(id="1", url="https://ana", token="secret")
        order.configuration.CopyFrom(SendMessageConfiguration(task_push_notification_config=config))
        task = await waiters[0].on_message_send(order, ana)
        assert isinstance(task, Task)
        answers.append(seen(task))
        answers.append(seen(await waiters[1].on_get_task(GetTaskRequest(id=task.id), ana)))
        with pytest.raises(TaskNotFoundError):
            await waiters[1].on_get_task(GetTaskRequest(id=task.id), bob)
        before = len(notified)
        events = [
            type(event).__name__
            async for event in waiters[1].on_message_send_stream(said("At eight", task), ana)
        ]
        answers += [events, notified[:before], notified[before:]]
        answers.append(seen(await waiters[0].on_get_task(GetTaskRequest(id=task.id), ana)))
        for context in (ana, bob):
            listed = await waiters[1].on_list_tasks(ListTasksRequest(page_size=10), context)
            answers.append([TaskState.Name(each.status.state) for each in listed.tasks])
        answers += await _configs(waiters[1], task, ana)
        other = await waiters[0].on_message_send(said("Another table"), ana)
        assert isinstance(other, Task)
        answers.append(seen(await waiters[1].on_cancel_task(CancelTaskRequest(id=other.id), ana)))
        with pytest.raises(Exception, match=r"(?i)terminal|cannot|not") as refused:
            await _first(waiters[0].on_subscribe_to_task(SubscribeToTaskRequest(id=task.id), ana))
        answers.append(refused.type)
    return answers


async def _configs(waiter: Any, task: Task, context: Any) -> list[object]:
    asked = ListTaskPushNotificationConfigsRequest(task_id=task.id)
    listed = await waiter.on_list_task_push_notification_configs(asked, context)
    deletion = DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="1")
    await waiter.on_delete_task_push_notification_config(deletion, context)
    left = await waiter.on_list_task_push_notification_configs(asked, context)
    return [[(each.id, each.url) for each in listed.configs], len(left.configs)]


async def _first(events: AsyncIterator[object]) -> object:
    return await anext(events)


@on_each_topology
async def test_two_servers_answer_as_one_does_in_memory(opened: RedisStore, place: Place) -> None:
    in_memory = InMemoryTaskStore(), InMemoryPushNotificationConfigStore()
    async with servers_end():
        expected = await converse(in_memory, in_memory)
    async with place.store() as other, servers_end():
        first, second = (
            (RedisTaskStore(store), RedisPushNotificationConfigStore(store))
            for store in (opened, other)
        )
        found = await converse(first, second)
    assert found == expected
    assert found[0] == ("TASK_STATE_INPUT_REQUIRED", ["At what time?"], [["A table"]], [])
    assert ("booking", ["table, At eight"]) in found[5][3]  # type: ignore[index] # pyright: ignore[reportIndexIssue]
    assert set(found[3]) | set(found[4]) == {"secret"}  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
