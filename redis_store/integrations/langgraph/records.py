"""Records: checkpoints and writes as they are stored."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from redis_store.errors import CorruptRecordError
from redis_store.integrations.langgraph.deltas import Value
from redis_store.integrations.langgraph.frames import frame, unframe

# A type and bytes, as serializers give and take them.
Typed = tuple[str, bytes]


class CheckpointRecord(NamedTuple):
    """A checkpoint without its values.

    Attributes:
        parent: The id of the checkpoint that it follows, or an empty string.
        versions: Channel, NUL and version of each channel, whether it has a value or not: that of
            an earlier checkpoint counts too.
        run: The run that made it, or an empty string.
        metadata: Its metadata.
        body: The rest of it.
    """

    parent: str
    versions: list[str]
    run: str
    metadata: Typed
    body: Typed

    def encode(self) -> bytes:
        """Return its frame."""
        (metadata_type, metadata), (body_type, body) = self.metadata, self.body
        header = [self.parent, self.versions, self.run, metadata_type, len(metadata), body_type]
        return frame(header, metadata, body)

    @classmethod
    def decode(cls, data: bytes) -> "CheckpointRecord":
        """Read a frame.

        Raises:
            ValueError: It holds no checkpoint.
        """
        (parent, versions, run, metadata_type, size, body_type), bodies = unframe(data)
        metadata, body = (metadata_type, bodies[:size]), (body_type, bodies[size:])
        return cls(parent, versions, run, metadata, body)


class WriteRecord(NamedTuple):
    """A write of a task, to be applied after its checkpoint.

    Attributes:
        path: The task's path.
        task: Its id.
        at: Its place among the task's writes; a negative one replaces what is there.
        channel: What it writes to.
        value: What it writes.
    """

    path: str
    task: str
    at: int
    channel: str
    value: Typed

    def member(self, checkpoint: str) -> str:
        """Its member among the writes of the thread."""
        return f"{checkpoint}\0{self.task}\0{self.at}"

    def encode(self) -> bytes:
        """Return its frame, which has all that the member has not."""
        kind, data = self.value
        return frame([self.path, self.channel, kind], data)

    @classmethod
    def decode(cls, member: bytes, data: bytes) -> "WriteRecord":
        """Read a member and a frame.

        Raises:
            ValueError: They are no write's.
        """
        _, _, task, at = member.decode().split("\0")
        (path, channel, kind), value = unframe(data)
        return cls(path, task, int(at), channel, (kind, value))


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it was read.

    Attributes:
        key: The key that it was read from.
        namespace: Its namespace.
        id: Its id.
        record: Its record.
        values: Its values by channel.
        writes: Its writes, by path, task and index.
    """

    key: str
    namespace: str
    id: str
    record: CheckpointRecord
    values: Mapping[str, Value]
    writes: list[WriteRecord]


@contextmanager
def corrupt(key: str) -> Generator[None]:
    """Raise CorruptRecordError where a stored value turns out to be none of ours."""
    try:
        yield
    except ValueError as exc:
        raise CorruptRecordError(key, str(exc)) from exc
