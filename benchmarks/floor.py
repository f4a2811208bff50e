"""The floor: the fewest bytes and round trips that the protocol allows, over one connection.

Commands that read are packed beforehand; records are decoded as everybody does.
"""

from collections.abc import Sequence

from benchmarks import records, wire
from benchmarks.records import KEYS
from benchmarks.serving import Job
from benchmarks.wire import Wire, pack
from redis_store import Message


class Floor:
    """Packed commands on one connection."""

    def __init__(self, connection: Wire) -> None:
        self._wire = connection

    @classmethod
    async def connect(cls, url: str) -> "Floor":
        """Open the connection."""
        return cls(await wire.connect(url))

    def get(self, thread_id: str) -> Job:
        """See ``Contender``."""
        return self.get_each([thread_id])

    def get_each(self, thread_ids: Sequence[str]) -> Job:
        """See ``Contender``: all in one write."""
        packed = b"".join(pack("GET", KEYS.thread(thread_id)) for thread_id in thread_ids)

        async def run() -> int:
            return len(records.threads(await self._wire.send(packed, len(thread_ids))))

        return run

    def last(self, thread_id: str, count: int) -> Job:
        """See ``Contender``: SORT follows the order and reads the bodies in one command."""
        window = ("LIMIT", 0, count, "DESC") if count else ()
        pattern = f"{KEYS.bodies(thread_id)}*"
        packed = pack("SORT", KEYS.timeline(thread_id), "BY", "nosort", *window, "GET", pattern)

        async def run() -> int:
            return len(records.messages((await self._wire.send(packed))[0]))

        return run

    def save(self, messages: Sequence[Message]) -> Job:
        """See ``Contender``: two variadic commands. Not atomic."""
        thread_id, resource_id = messages[0].thread_id, messages[0].resource_id
        bodies, order = KEYS.bodies(thread_id), KEYS.timeline(thread_id)

        async def run() -> int:
            record = records.thread_record(thread_id, resource_id)
            stored: list[bytes | str] = [KEYS.thread(thread_id), record]
            scored: list[str | int] = []
            for id_, score, body in records.encoded(messages):
                stored += (bodies + id_, body, KEYS.message_pointer(id_), thread_id)
                scored += (score, id_)
            await self._wire.send(pack("MSET", *stored) + pack("ZADD", order, *scored), 2)
            return len(messages)

        return run

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Job:
        """See ``Contender``. No check that nobody came between."""
        keys = [KEYS.message(thread_id, id_) for id_ in ids]
        packed = pack("MGET", *keys)

        async def run() -> int:
            changed = records.retagged((await self._wire.send(packed))[0], tag)
            pairs = [part for pair in zip(keys, changed, strict=True) for part in pair]
            await self._wire.send(pack("MSET", *pairs))
            return len(changed)

        return run

    def threads_of(self, resource_id: str) -> Job:
        """See ``Contender``: from the library's index, in one command."""
        index, pattern = KEYS.threads_of(resource_id, "created_at"), KEYS.thread("*")
        window = ("LIMIT", 0, 100, "DESC")
        packed = pack("SORT", index, "BY", "nosort", *window, "GET", pattern)

        async def run() -> int:
            return len(records.threads((await self._wire.send(packed))[0]))

        return run

    async def close(self) -> None:
        """Close the connection."""
        self._wire.transport.close()
