"""Keys of both layouts. No other module spells a key.

The plain layout is Mastra's, byte for byte. The hash-tagged layout braces the thread id, so that
all of a thread's keys are in one Redis Cluster slot. Both maps from accepted ids to keys are
injective: a message's key reads ``…threadId:{t}:id:{m}``, so a thread id may neither contain
``:id:`` nor end in ``:id``; the first ``:id:`` after ``threadId:`` then always ends the thread id.

Indexes that Mastra does not have start with ``redis_store:``, which none of its patterns matches.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterable
from typing import NamedTuple

from redis_store._connections.commands import encoded
from redis_store._connections.slots import slot_of
from redis_store.errors import ConfigurationError

# The only namespace whose workflow runs are indexed.
RUN_NAMESPACE = "workflows"
# On a cluster, the index of a global listing is split over this many keys, so that none is hot.
TAGGED_SHARDS = 32

# Attributes that very many records can share.
_SHARED = frozenset({"all", "updated", "workflow", "status", "scorer"})

_GLOB = re.compile(r"([*?\[\]\\^-])")


def escape_glob(text: str) -> str:
    """Escape text so that a Redis glob pattern matches it literally."""
    return _GLOB.sub(r"\\\1", text)


class ThreadKeys(NamedTuple):
    """The keys of one thread, all in one slot.

    Attributes:
        record: Its record.
        timeline: Its message ids, a sorted set.
        counts: The number of its messages for each resource id, a hash.
        bodies: The prefix of its messages' keys, before the message id.
    """

    record: str
    timeline: str
    counts: str
    bodies: str


class Keys:
    """Spells the keys of one store.

    Args:
        prefix: The prefix of every key.
        hash_tags: Whether the part that decides the slot is braced.

    Raises:
        ConfigurationError: The prefix has a ``{``, which would move the hash tag.
    """

    def __init__(self, prefix: str = "", *, hash_tags: bool = False) -> None:
        if hash_tags and "{" in prefix:
            raise ConfigurationError(
                "key_prefix must not contain '{' when hash_tags is on: it would decide the slot",
                code="CONFIGURATION_INVALID_KEY_PREFIX",
                details={"key_prefix": prefix},
            )
        self.prefix = prefix
        self.hash_tags = hash_tags
        self.shards = TAGGED_SHARDS if hash_tags else 1

    def slot(self, key: str) -> int:
        """Return a key's slot; in the plain layout all keys are in slot 0.

        Only keys of one slot can be written in one step.
        """
        return slot_of(key) if self.hash_tags else 0

    def by_slot(self, keys: Iterable[str]) -> list[list[str]]:
        """Group keys by slot: those that can be written in one step."""
        groups: dict[int, list[str]] = {}
        for key in keys:
            groups.setdefault(self.slot(key), []).append(key)
        return list(groups.values())

    def of_thread(self, thread_id: str) -> ThreadKeys:
        """The keys of a thread."""
        return ThreadKeys(
            self.thread(thread_id),
            self.timeline(thread_id),
            self.resource_counts(thread_id),
            self.bodies(thread_id),
        )

    def thread(self, thread_id: str) -> str:
        """The thread's record."""
        return f"{self.prefix}mastra_threads:id:{self._tag(thread_id)}"

    def bodies(self, thread_id: str) -> str:
        """The prefix of the keys of this thread's messages, before the message id."""
        return f"{self.prefix}mastra_messages:threadId:{self._tag(thread_id)}:id:"

    def message(self, thread_id: str, message_id: str) -> str:
        """The message's record."""
        return self.bodies(thread_id) + message_id

    def message_pointer(self, message_id: str) -> str:
        """The id of the thread that holds the message."""
        return f"{self.prefix}msg-idx:{message_id}"

    def timeline(self, thread_id: str) -> str:
        """The thread's message ids, a sorted set."""
        return f"{self.prefix}thread:{self._tag(thread_id)}:messages"

    def around_thread(self) -> list[str]:
        """The parts of keys around a thread id, in the plain layout: see ``find.lua``."""
        body, order = (
            self.bodies("").removesuffix(":id:"),
            self.timeline("").removesuffix(":messages"),
        )
        return [self.thread(""), body, ":id:", order, ":messages"]

    def resource_counts(self, thread_id: str) -> str:
        """The number of the thread's messages for each resource id, a hash."""
        return f"{self.prefix}redis_store:memory:owners:{self._tag(thread_id)}"

    def resource(self, resource_id: str) -> str:
        """The resource's record."""
        return f"{self.prefix}mastra_resources:{resource_id}"

    def threads_with_messages_of(self, resource_id: str) -> str:
        """The threads that hold messages of a resource, scored by the newest one's date in µs."""
        return f"{self.prefix}redis_store:memory:messages:resource:{resource_id}"

    def threads_of(self, resource_id: str, order_by: str) -> str:
        """The resource's threads, scored by ``created_at`` or ``updated_at`` in µs."""
        return f"{self.prefix}redis_store:memory:threads:{order_by}:resource:{resource_id}"

    def threads_shard(self, shard: int, order_by: str) -> str:
        """One shard of all threads, scored by ``created_at`` or ``updated_at`` in µs."""
        return f"{self.prefix}redis_store:memory:threads:{order_by}:shard:{shard}"

    def all_threads(self, order_by: str) -> list[str]:
        """Every shard of all threads."""
        return [self.threads_shard(shard, order_by) for shard in range(self.shards)]

    def thread_indexes(self, thread_id: str, resource_id: str, order_by: str) -> list[str]:
        """The sorted sets that list the thread in this order."""
        shard = crc_hqx(encoded(thread_id), 0) % self.shards
        return [self.threads_of(resource_id, order_by), self.threads_shard(shard, order_by)]

    def resources_shard(self, resource_id: str) -> str:
        """The shard of all resources that lists this one, scored by ``updated_at`` in µs."""
        return self._resources(crc_hqx(encoded(resource_id), 0) % self.shards)

    def all_resources(self) -> list[str]:
        """Every shard of all resources."""
        return [self._resources(shard) for shard in range(self.shards)]

    def _resources(self, shard: int) -> str:
        return f"{self.prefix}redis_store:memory:resources:updated_at:shard:{shard}"

    def run(self, namespace: str, workflow_name: str, run_id: str) -> str:
        """The workflow run's record."""
        return f"{self._runs_in(namespace)}{workflow_name}:run_id:{run_id}"

    def is_listed_run(self, key: str) -> bool:
        """Whether a run's record is in the namespace whose runs are indexed."""
        return key.startswith(self._runs_in(RUN_NAMESPACE))

    def _runs_in(self, namespace: str) -> str:
        return f"{self.prefix}mastra_workflow_snapshot:namespace:{namespace}:workflow_name:"

    def run_suffix(self, resource_id: str) -> str:
        """The suffix that ``@mastra/redis`` adds to the key of a run that has a resource."""
        return f":resourceId:{resource_id}"

    def suffixed_runs_pattern(self, run_key: str) -> str:
        """The glob pattern of a run's records whose keys have a resource suffix."""
        return f"{escape_glob(run_key + self.run_suffix(''))}*"

    def member(self, key: str) -> str:
        """The member by which an index lists a record that has no id of its own."""
        return key.removeprefix(self.prefix)

    def of_member(self, member: str) -> str:
        """The key of the record that such a member names."""
        return self.prefix + member

    def runs_by(self, attribute: str, value: str, run_key: str | None = None) -> list[str]:
        """The sorted sets of runs with an attribute, scored by ``created_at`` in µs.

        Args:
            attribute: ``all``, ``workflow``, ``status``, ``resource``, ``run``; ``suffixed``, the
                run id of runs whose keys have a resource suffix; or ``updated``, which is scored
                by ``updated_at``.
            value: The attribute's value.
            run_key: If given, only the shard that lists this run.
        """
        return self._shards("workflows", attribute, value, run_key)

    def scores_by(self, attribute: str, value: str, score_id: str | None = None) -> list[str]:
        """The sorted sets of scores with an attribute, scored by ``created_at`` in µs.

        Args:
            attribute: ``all``, ``scorer``, ``run``, ``entity`` or ``span``.
            value: The attribute's value.
            score_id: If given, only the shard that lists this score.
        """
        return self._shards("scores", attribute, value, score_id)

    def score(self, score_id: str) -> str:
        """The score's record."""
        return f"{self.prefix}mastra_scorers:id:{score_id}"

    def under(self, prefix: str, key: str) -> str:
        """A key with a prefix of its own after the store's."""
        return f"{self.prefix}{prefix}{key}"

    def everything_under(self, prefix: str) -> dict[str, str]:
        """The glob pattern of every key with such a prefix, whatever its type."""
        return {f"{escape_glob(self.prefix + prefix)}*": ""}

    def marker(self) -> str:
        """The version of the indexes that is complete."""
        return f"{self.prefix}redis_store:indexes"

    def reindex_state(self) -> str:
        """The position at which an unfinished ``reindex`` stopped."""
        return f"{self.prefix}redis_store:reindex"

    def record_patterns(self) -> dict[str, str]:
        """Glob patterns of records, by kind; ``orders`` are timelines."""
        tag = "{*}" if self.hash_tags else "*"
        prefix = escape_glob(self.prefix)
        return {
            "threads": f"{prefix}mastra_threads:id:{tag}",
            "orders": f"{prefix}thread:{tag}:messages",
            "messages": f"{prefix}mastra_messages:threadId:{tag}:id:*",
            "indexes": f"{prefix}msg-idx:*",
            "resources": f"{prefix}mastra_resources:*",
            "runs": f"{escape_glob(self._runs_in(RUN_NAMESPACE))}*",
            # Those of every namespace: no pattern can leave one out.
            "unlisted runs": f"{prefix}mastra_workflow_snapshot:*",
            "scores": f"{prefix}mastra_scorers:id:*",
        }

    def thread_of_timeline(self, order: str) -> str:
        """The thread whose timeline has this key."""
        tagged = order.removeprefix(f"{self.prefix}thread:").removesuffix(":messages")
        return self._untag(tagged)

    def place_of_message(self, key: str) -> tuple[str, str]:
        """The thread and the message whose record has this key."""
        rest = key.removeprefix(f"{self.prefix}mastra_messages:threadId:")
        end = "}:id:" if self.hash_tags else ":id:"
        thread_id, _, message_id = rest.partition(end)
        return self._untag(thread_id + end[:-4]), message_id

    def message_of_pointer(self, key: str) -> str:
        """The message whose pointer has this key."""
        return key.removeprefix(self.message_pointer(""))

    def index_pattern(self, kind: str) -> str:
        """The glob pattern of the sorted sets that list a kind of record."""
        domain = {"runs": "workflows", "scores": "scores"}.get(kind, f"memory:{kind}")
        return f"{escape_glob(self.prefix)}redis_store:{domain}:*"

    def records_of(self, kind: str, members: Iterable[str]) -> dict[str, str]:
        """The keys of the records that members of such a sorted set name, by member."""
        spelled = {"threads": self.thread, "resources": self.resource, "scores": self.score}
        spell = spelled.get(kind, self.of_member)
        return {member: spell(member) for member in members}

    def resource_counts_pattern(self) -> str:
        """The glob pattern of all counts by resource."""
        return f"{escape_glob(self.prefix)}redis_store:memory:owners:*"

    def threads_with_messages_pattern(self) -> str:
        """The glob pattern of all lists of a resource's threads."""
        return f"{escape_glob(self.prefix)}redis_store:memory:messages:*"

    def thread_of_counts(self, key: str) -> str:
        """The thread whose counts have this key."""
        return self._untag(key.removeprefix(f"{self.prefix}redis_store:memory:owners:"))

    def resource_of_list(self, key: str) -> str:
        """The resource whose threads have this key."""
        return key.removeprefix(self.threads_with_messages_of(""))

    def workflow_patterns(self) -> dict[str, str]:
        """Glob patterns that together match every key of the workflows domain, by value type."""
        return self._patterns(
            {"mastra_workflow_snapshot:*": "string", "redis_store:workflows:*": "zset"}
        )

    def score_patterns(self) -> dict[str, str]:
        """Glob patterns that together match every key of the scores domain, by value type."""
        return self._patterns({"mastra_scorers:*": "string", "redis_store:scores:*": "zset"})

    def memory_patterns(self) -> dict[str, str]:
        """Glob patterns that together match every key of the memory domain, by value type."""
        tag = "{*}" if self.hash_tags else "*"
        patterns = {
            f"mastra_threads:id:{tag}": "string",
            f"mastra_messages:threadId:{tag}:id:*": "string",
            "msg-idx:*": "string",
            f"thread:{tag}:messages": "zset",
            "mastra_resources:*": "string",
            "redis_store:memory:owners:*": "hash",
            "redis_store:memory:messages:*": "zset",
            "redis_store:memory:resources:*": "zset",
            "redis_store:memory:threads:*": "zset",
            "redis_store:memory:vectors:*": "hash",
        }
        return self._patterns(patterns)

    def _patterns(self, patterns: dict[str, str]) -> dict[str, str]:
        prefix = escape_glob(self.prefix)
        return {prefix + pattern: kind for pattern, kind in patterns.items()}

    def _shards(self, domain: str, attribute: str, value: str, listed: str | None) -> list[str]:
        """The shards of an index; one whose attribute few records share has a single shard."""
        shards = self.shards if attribute in _SHARED else 1
        chosen = range(shards) if listed is None else [crc_hqx(encoded(listed), 0) % shards]
        start = f"{self.prefix}redis_store:{domain}:{attribute}"
        return [f"{start}:{shard}:{value}" for shard in chosen]

    def _tag(self, thread_id: str) -> str:
        """Brace the thread id, which decides the slot.

        An empty tag decides nothing, so an id that starts with ``}`` is prefixed with ``%``, and so
        is one that starts with ``%``, to stay injective. A later ``}`` ends the tag early, in every
        key of the thread alike.
        """
        if not self.hash_tags:
            return thread_id
        return f"{{%{thread_id}}}" if thread_id.startswith(("}", "%")) else f"{{{thread_id}}}"

    def _untag(self, tagged: str) -> str:
        if not self.hash_tags:
            return tagged
        return tagged[1:-1].removeprefix("%") if tagged.startswith("{%") else tagged[1:-1]
