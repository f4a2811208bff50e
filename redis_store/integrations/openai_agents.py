"""OpenAI Agents SDK: ``RedisSession``, the session of a ``Runner``.

The SDK's protocol is structural, so nothing of ``agents`` is imported at run time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from redis_store._engine import clock
from redis_store._engine.arguments import (
    check_id,
    check_instance,
    check_int,
    check_json,
    check_thread_id,
)
from redis_store._engine.operations import named
from redis_store._engine.sharded_commit import uninterrupted
from redis_store._parts import database_of
from redis_store.errors import InvalidArgumentError
from redis_store.json_values import is_array, is_object
from redis_store.models import Message
from redis_store.store import RedisStore

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

# The roles of messages that a model accepts; what else has one reads as the assistant's.
_ROLES = ("user", "assistant", "system", "developer")


class RedisSession:
    """A conversation of the OpenAI Agents SDK, kept by ``store.memory``.

    A session is a thread, an item is a message, and the user is a resource, so the calls of
    ``store.memory`` list, page, clone and erase sessions too::

        session = RedisSession("chat-1", store, user="ana")
        await Runner.run(agent, "Hello", session=session)
        chats = await store.memory.list_threads(resource_id="ana")

    Items come back as they were given, in their order: those of one ``add_items`` stay together,
    and come after all that this session has read or added. Beyond that, their dates decide: those
    of racing processes' clocks, or with ``clock="server"`` of one. A message that something else
    has put into the thread reads as an item with its role and text.

    Nothing is connected or stored before the first call. Each call takes one round trip; the
    docstrings of ``store.memory`` give the costs in the hash-tagged layout and with ``thread_ttl``,
    after which an unused session expires. ``clock="server"`` adds two to ``add_items``.

    A call that writes ends although it is cancelled: when ``CancelledError`` arrives, it is
    applied. Errors are those of ``store.memory``. With ``read_from="replica"``, a turn may miss the
    newest items.

    Args:
        session_id: The thread's id. Whoever knows it can open the session: check whose it is by
            ``store.memory.get_thread_by_id(session_id, resource_id=user)``.
        store: An open store, shared by any number of sessions. It is not closed here.
        user: The resource that owns the items added here; and the session, if it is made by that.
        session_settings: The SDK's settings; their ``limit`` is the default of ``get_items``.
    """

    def __init__(
        self,
        session_id: str,
        store: RedisStore,
        *,
        user: str = "default",
        session_settings: "SessionSettings | None" = None,
    ) -> None:
        self.session_id = check_thread_id("session_id", session_id)
        self.session_settings = _check_settings(session_settings)
        self._user = check_id("user", user)
        self._memory = check_instance("store", store, RedisStore).memory
        self._db = database_of(store)
        self._newest = datetime.min.replace(tzinfo=UTC)

    async def get_items(self, limit: int | None = None) -> "list[TResponseInputItem]":
        """Read the items, from the oldest to the newest.

        Args:
            limit: Only so many of the newest; of 0 or less there are none. ``None`` is the limit of
                ``session_settings``, or all.

        Returns:
            The items; none if there is no such session.
        """
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        with named("get_items"):
            if limit is not None and check_int("limit", limit) <= 0:
                return []
        page = await self._memory.list_messages(
            self.session_id, per_page=limit, direction="desc", include_total=False
        )
        if page.items:
            self._newest = max(self._newest, page.items[0].created_at)
        return [_item(message) for message in reversed(page.items)]

    async def add_items(self, items: "list[TResponseInputItem]") -> None:
        """Append items, all or none. The first ones make the session.

        Raises:
            InvalidArgumentError: An item is no dict, or has something that JSON does not, named by
                its place. Nothing was added.
        """
        with named("add_items"):
            given = _check_items(items)
        if not given:
            return
        # Never before what was seen: the clock of the process that added that may be ahead. One
        # date for all: items with dates of their own could be parted by another process's.
        self._newest = max(await clock.now(self._db), self._newest)
        messages = [self._message(item, self._newest) for item in given]
        await uninterrupted(self._memory.save_messages(messages, create_thread=True))

    async def pop_item(self) -> "TResponseInputItem | None":
        """Remove the newest item and return it; ``None`` if there is none.

        Each item goes to one of racing callers.
        """
        message = await uninterrupted(self._memory.pop_message(self.session_id))
        return None if message is None else _item(message)

    async def clear_session(self) -> None:
        """Delete the session: its items, and its thread with title and metadata."""
        await uninterrupted(self._memory.delete_thread(self.session_id))

    def _message(self, item: dict[str, Any], moment: datetime) -> Message:
        message = Message(
            thread_id=self.session_id,
            resource_id=self._user,
            role=_role(item),
            created_at=moment,
            content=item,
        )
        # Mastra's form, whose parts Mastra shows; `item` is what comes back.
        parts = [{"type": "text", "text": message.text}] if message.text else []
        message.content = {"format": 2, "parts": parts, "item": item}
        return message


def _item(message: Message) -> "TResponseInputItem":
    """Return the item that a message holds, or one of its role and text."""
    content: object = message.content
    item: object = content.get("item") if is_object(content) else None
    if not is_object(item):
        role = message.role if message.role in _ROLES else "assistant"
        item = {"role": role, "content": message.text}
    return cast("TResponseInputItem", item)


def _role(item: dict[str, Any]) -> str:
    """Return who an item is from: tools give the outputs of calls, the model all else."""
    if item.get("role") in _ROLES:
        return str(item["role"])
    return "tool" if str(item.get("type")).endswith("_output") else "assistant"


def _check_items(items: object) -> list[dict[str, Any]]:
    if not is_array(items):
        raise InvalidArgumentError("items", "must be a list", items)
    given: Sequence[object] = check_json("items", items)
    for at, item in enumerate(given):
        if not is_object(item):
            raise InvalidArgumentError("items", "must be a dict", item, place=f"[{at}]")
    return cast("list[dict[str, Any]]", given)


def _check_settings(settings: "SessionSettings | None") -> "SessionSettings | None":
    if settings is not None and not hasattr(settings, "limit"):
        raise InvalidArgumentError("session_settings", "must be a SessionSettings", settings)
    return settings
