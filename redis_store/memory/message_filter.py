"""Filter of messages."""

from typing import Any

import msgspec

from redis_store._engine.timestamps import epoch_us
from redis_store.json_values import has_fields, is_object
from redis_store.models import Message


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of a thread to select; dates in µs, inclusive; ``None`` is any."""

    from_us: int | None = None
    to_us: int | None = None
    resource_id: str | None = None
    metadata: dict[str, Any] = {}

    def accepts(self, message: Message) -> bool:
        """Whether a message matches."""
        us = epoch_us(message.created_at)
        return (
            self.resource_id in (None, message.resource_id)
            and (self.from_us is None or us >= self.from_us)
            and (self.to_us is None or us <= self.to_us)
            and (not self.metadata or has_fields(_metadata(message), self.metadata))
        )


def _metadata(message: Message) -> object:
    content: object = message.content
    return content.get("metadata") if is_object(content) else None
