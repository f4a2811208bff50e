"""The messages that contenders are measured with."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from redis_store import Message

MESSAGE_BYTES: Final = 556
WRITER: Final = "writer"  # the resource id of every message
STORED_SINCE: Final = datetime(2025, 1, 1, tzinfo=UTC)


def message(thread_id: str, id_: str, created_at: datetime, words: str = "") -> Message:
    """Build a message of 556 bytes as JSON, whose text repeats words: its id, if none are given.

    Texts differ, as real ones do: Lua hashes only some characters of a string, so it is slow with
    many that are nearly equal.
    """
    built = Message.from_text(
        "user", "", thread_id=thread_id, resource_id=WRITER, id=id_, created_at=created_at
    )
    # The text is stored twice.
    length = (MESSAGE_BYTES - len(msgspec.json.encode(built))) // 2
    text = (f"{words or id_} " * length)[:length]
    built.content["parts"][0]["text"] = built.content["content"] = text
    return built


def stored_messages(thread_id: str, count: int, tag: str = "") -> list[Message]:
    """Build the messages of a thread that is part of the data; with a tag their texts differ."""
    ids = (f"{thread_id}-{i}" for i in range(count))
    return [
        message(thread_id, id_, STORED_SINCE + timedelta(seconds=i), f"{tag}{id_}")
        for i, id_ in enumerate(ids)
    ]


def new_messages(thread_id: str, tag: str, first: int, count: int) -> list[Message]:
    """Build messages to save, newer than all that are stored; their ids are tag and number."""
    now = datetime.now(UTC)
    return [
        message(thread_id, f"{tag}-{i}", now + timedelta(microseconds=i))
        for i in range(first, first + count)
    ]
