"""Records as contenders written by hand read and write them: the library's types, bare msgspec."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from redis_store import Message, Thread
from redis_store._engine.keys import Keys
from redis_store._engine.timestamps import epoch_us

KEYS = Keys()
_encode = msgspec.json.Encoder().encode
_message = msgspec.json.Decoder(Message)
_thread = msgspec.json.Decoder(Thread)


def threads(bodies: Iterable[bytes]) -> list[Thread]:
    """Decode threads."""
    return [_thread.decode(body) for body in bodies]


def messages(bodies: Iterable[bytes]) -> list[Message]:
    """Decode messages."""
    return [_message.decode(body) for body in bodies]


def thread_record(thread_id: str, resource_id: str) -> bytes:
    """Encode a thread that was updated now."""
    now = datetime.now(UTC)
    thread = Thread(id=thread_id, resource_id=resource_id, created_at=now, updated_at=now)
    return _encode(thread)


def encoded(saved: Sequence[Message]) -> list[tuple[str, int, bytes]]:
    """Encode messages: ids, scores and bodies."""
    return [(m.id, epoch_us(m.created_at), _encode(m)) for m in saved]


def retagged(bodies: Iterable[bytes], tag: str) -> list[bytes]:
    """Change the metadata of messages."""
    changed: list[bytes] = []
    for message in messages(bodies):
        content: dict[str, Any] = message.content
        content["metadata"] = {**content.get("metadata", {}), "tag": tag}
        changed.append(_encode(message))
    return changed
