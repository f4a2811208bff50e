"""Keys and JSON of the stored records, for contenders that are written by hand.

They are spelled here, not imported: ``--against`` runs this code with the library of another
checkout, of which only the public names can be relied on.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from redis_store import Message, Thread

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_message = msgspec.json.Decoder(Message)
_thread = msgspec.json.Decoder(Thread)


def thread_key(thread_id: str) -> str:
    """The thread's record."""
    return f"mastra_threads:id:{thread_id}"


def message_key(thread_id: str, message_id: str) -> str:
    """The message's record."""
    return f"mastra_messages:threadId:{thread_id}:id:{message_id}"


def pointer_key(message_id: str) -> str:
    """The id of the message's thread."""
    return f"msg-idx:{message_id}"


def timeline_key(thread_id: str) -> str:
    """The ids of the thread's messages, scored by date."""
    return f"thread:{thread_id}:messages"


def resource_counts_key(thread_id: str) -> str:
    """How many messages of the thread carry each resource id."""
    return f"redis_store:memory:owners:{thread_id}"


def threads_key(resource_id: str) -> str:
    """The library's index of a resource's threads, scored by ``createdAt``."""
    return f"redis_store:memory:threads:created_at:resource:{resource_id}"


def decode_threads(bodies: Iterable[bytes]) -> list[Thread]:
    """Decode threads."""
    return [_thread.decode(body) for body in bodies]


def decode_messages(bodies: Iterable[bytes]) -> list[Message]:
    """Decode messages."""
    return [_message.decode(body) for body in bodies]


def encode_thread(thread_id: str, resource_id: str) -> bytes:
    """Encode a thread that is updated now."""
    now = datetime.now(UTC)
    thread = Thread(id=thread_id, resource_id=resource_id, created_at=now, updated_at=now)
    return _encode(thread)


def encode_messages(messages: Sequence[Message]) -> list[tuple[str, int, bytes]]:
    """Encode messages: ids, scores in µs, and bodies."""
    return [(m.id, _epoch_us(m.created_at), _encode(m)) for m in messages]


def retag(bodies: Iterable[bytes], tag: str) -> list[bytes]:
    """Decode messages, change their metadata, and encode them."""
    changed: list[bytes] = []
    for message in decode_messages(bodies):
        content: dict[str, Any] = message.content
        content["metadata"] = {**content.get("metadata", {}), "tag": tag}
        changed.append(_encode(message))
    return changed


def _epoch_us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
