"""Loses the reply to a write, but not the write."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from redis_store import BackendUnavailableError, RedisStore
from redis_store._connections.commands import Command, Replies


def lose_next_reply(
    store: RedisStore,
    *,
    of_repeatable: bool = False,
    meanwhile: Callable[[], Awaitable[object]] | None = None,
) -> list[Sequence[Command]]:
    """Apply the next commit, and report the connection as lost; return what was lost so.

    What is repeatable is sent again at once, as a deployment does.

    Args:
        store: The store that makes the commit.
        of_repeatable: Whether it is the next repeatable request instead.
        meanwhile: What another one does before the loss is reported.
    """
    deployment = cast("Any", store)._lifecycle.deployment  # noqa: SLF001 - where replies come in
    send, lost = deployment.send, list[Sequence[Command]]()

    async def losing(commands: Sequence[Command], *, repeatable: bool = True) -> Replies:
        replies: Replies = await send(commands, repeatable=repeatable)
        if repeatable is not of_repeatable or lost:
            return replies
        lost.append(commands)
        if meanwhile is not None:
            await meanwhile()
        if repeatable:
            return cast("Replies", await send(commands, repeatable=repeatable))
        raise BackendUnavailableError("gone", code="GONE", details={"in_doubt": True})

    deployment.send = losing
    return lost
