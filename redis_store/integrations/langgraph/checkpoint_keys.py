"""CheckpointKeys: the keys of checkpoints, and names within them.

A thread has four keys in one slot: ``order``, the members (namespace, NUL, checkpoint id) of its
checkpoints; ``writes``, those of its writes; ``data``, a hash of all records and values, and in
``t`` the time in ms of the last change; ``runs``, the ids of its runs. In other slots are indexes:
``threads``, by the time of their last change in ms; ``run``, the threads of a run.
"""

from binascii import crc_hqx
from typing import NamedTuple

from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.keys import Keys

NAME = "langgraph"


class Place(NamedTuple):
    """Where a checkpoint is; with an empty id, the newest of the namespace."""

    thread: str
    namespace: str
    id: str

    @property
    def member(self) -> str:
        """Its member in the thread's order."""
        return f"{self.namespace}\0{self.id}"


class ThreadKeys(NamedTuple):
    """The keys of a thread."""

    order: str
    writes: str
    data: str
    runs: str


class CheckpointKeys:
    """Spells the keys of checkpoints.

    Args:
        keys: The keys of the store.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = IntegrationKeys(keys, NAME)
        self._shards = keys.shards
        # In the plain layout one script writes to any keys; in the other, only to those of a slot.
        self.in_one_step = not keys.hash_tags

    def thread(self, thread: str) -> ThreadKeys:
        """The keys of a thread."""
        return ThreadKeys(*(self._keys.key(kind, thread) for kind in ThreadKeys._fields))

    def threads_index(self, thread: str) -> str:
        """The shard of the index of threads that lists this one."""
        return self._index(crc_hqx(thread.encode(), 0) % self._shards)

    def all_threads(self) -> list[str]:
        """Every shard of the index of threads."""
        return [self._index(shard) for shard in range(self._shards)]

    def run_index(self, run: str) -> str:
        """The index of the threads of a run."""
        return self._keys.index("run", run)

    def owner(self, kind: str, key: str) -> str:
        """The thread that has this key, the run or the shard that has this index."""
        return self._keys.group(kind, key)[0]

    def pattern(self, kind: str) -> str:
        """The glob pattern of every key of a kind."""
        return self._keys.pattern(kind)

    def _index(self, shard: int) -> str:
        return self._keys.index("threads", str(shard))


def value_name(namespace: str, channel_version: str) -> str:
    """The name of a value; no other value of the thread has it, whatever its channel."""
    return f"{namespace}\0{channel_version}"
