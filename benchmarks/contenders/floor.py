"""The floor: the fewest bytes and round trips that the protocol allows, over one connection.

Commands that read are packed before the clock starts; records are decoded within it.
"""

from collections.abc import Sequence

from benchmarks.contenders import raw_connection, records
from benchmarks.contenders.raw_connection import RawConnection, pack
from benchmarks.contenders.serving import Call
from redis_store import Message


class Floor:
    """Packed commands on one connection."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, url: str) -> "Floor":
        """Open the connection."""
        return cls(await raw_connection.connect(url))

    def get(self, thread_id: str) -> Call:
        """See ``Driver``."""
        return self.get_each([thread_id])

    def get_each(self, thread_ids: Sequence[str]) -> Call:
        """See ``Driver``: all in one write."""
        packed = b"".join(pack("GET", records.thread_key(thread_id)) for thread_id in thread_ids)

        async def run() -> int:
            return len(records.decode_threads(await self._connection.send(packed, len(thread_ids))))

        return run

    def last(self, thread_id: str, count: int) -> Call:
        """See ``Driver``: SORT walks the timeline and reads the bodies, in one command."""
        window = ("LIMIT", 0, count, "DESC") if count else ()
        pattern = records.message_key(thread_id, "*")
        packed = pack(
            "SORT", records.timeline_key(thread_id), "BY", "nosort", *window, "GET", pattern
        )

        async def run() -> int:
            return len(records.decode_messages((await self._connection.send(packed))[0]))

        return run

    def save(self, messages: Sequence[Message]) -> Call:
        """See ``Driver``: two variadic commands. Not atomic."""
        thread_id, resource_id = messages[0].thread_id, messages[0].resource_id
        bodies, timeline = records.message_key(thread_id, ""), records.timeline_key(thread_id)

        async def run() -> int:
            record = records.encode_thread(thread_id, resource_id)
            stored: list[bytes | str] = [records.thread_key(thread_id), record]
            scored: list[str | int] = []
            for id_, score, body in records.encode_messages(messages):
                stored += (bodies + id_, body, records.pointer_key(id_), thread_id)
                scored += (score, id_)
            await self._connection.send(pack("MSET", *stored) + pack("ZADD", timeline, *scored), 2)
            return len(messages)

        return run

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Call:
        """See ``Driver``. Not atomic."""
        keys = [records.message_key(thread_id, id_) for id_ in ids]
        packed = pack("MGET", *keys)

        async def run() -> int:
            changed = records.retag((await self._connection.send(packed))[0], tag)
            pairs = [part for pair in zip(keys, changed, strict=True) for part in pair]
            await self._connection.send(pack("MSET", *pairs))
            return len(changed)

        return run

    def threads_of(self, resource_id: str) -> Call:
        """See ``Driver``: from the library's index, in one command."""
        index, pattern = records.threads_key(resource_id), records.thread_key("*")
        window = ("LIMIT", 0, 100, "DESC")
        packed = pack("SORT", index, "BY", "nosort", *window, "GET", pattern)

        async def run() -> int:
            return len(records.decode_threads((await self._connection.send(packed))[0]))

        return run

    async def close(self) -> None:
        """Close the connection."""
        self._connection.transport.close()
