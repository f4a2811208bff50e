import pytest

from redis_store import ConfigurationError
from redis_store._connections.slots import SLOTS, slot_of
from redis_store._engine.keys import Keys, escape_glob

PLAIN = Keys("p:")
TAGGED = Keys("p:", hash_tags=True)


@pytest.mark.parametrize(
    ("method", "args", "plain", "tagged"),
    [
        ("thread", ("t",), "mastra_threads:id:t", "mastra_threads:id:{t}"),
        ("bodies", ("t",), "mastra_messages:threadId:t:id:", "mastra_messages:threadId:{t}:id:"),
        (
            "message",
            ("t", "m"),
            "mastra_messages:threadId:t:id:m",
            "mastra_messages:threadId:{t}:id:m",
        ),
        ("message_pointer", ("m",), "msg-idx:m", "msg-idx:m"),
        ("timeline", ("t",), "thread:t:messages", "thread:{t}:messages"),
        ("resource_counts", ("t",), "redis_store:memory:owners:t", "redis_store:memory:owners:{t}"),
        ("resource", ("u",), "mastra_resources:u", "mastra_resources:u"),
        ("threads_with_messages_of", ("u",), *("redis_store:memory:messages:resource:u",) * 2),
        (
            "threads_of",
            ("u", "created_at"),
            *("redis_store:memory:threads:created_at:resource:u",) * 2,
        ),
        (
            "threads_shard",
            (3, "updated_at"),
            *("redis_store:memory:threads:updated_at:shard:3",) * 2,
        ),
    ],
)
def test_a_key_reads_literally(
    method: str, args: tuple[object, ...], plain: str, tagged: str
) -> None:
    assert getattr(PLAIN, method)(*args) == f"p:{plain}"
    assert getattr(TAGGED, method)(*args) == f"p:{tagged}"


def test_a_tag_is_never_empty() -> None:
    assert TAGGED.thread("}x") == "p:mastra_threads:id:{%}x}"
    assert TAGGED.thread("%}x") == "p:mastra_threads:id:{%%}x}"


def test_a_thread_is_indexed_under_its_resource_and_in_one_shard() -> None:
    assert PLAIN.thread_indexes("t", "u", "created_at") == [
        "p:redis_store:memory:threads:created_at:resource:u",
        "p:redis_store:memory:threads:created_at:shard:0",
    ]
    shards = {TAGGED.thread_indexes(f"t{i}", "u", "created_at")[1] for i in range(1000)}
    assert shards == set(TAGGED.all_threads("created_at"))
    assert len(shards) == 32


def test_patterns_escape_the_prefix() -> None:
    patterns = Keys("a*[b]?\\:").memory_patterns()
    assert all(pattern.startswith(r"a\*\[b\]\?\\:") for pattern in patterns)


def test_escaping_leaves_ordinary_text_alone() -> None:
    assert escape_glob("user:{42} é") == "user:{42} é"


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        # From the examples of the Redis Cluster specification.
        ("123456789", 0x31C3 % SLOTS),
        ("{user1000}.following", slot_of("{user1000}.followers")),
        ("foo{{bar}}zap", slot_of("{bar")),
        ("foo{bar}{zap}", slot_of("bar")),
        ("foo{}{bar}", 8363),
    ],
)
def test_slots_follow_the_cluster_specification(key: str, slot: int) -> None:
    assert slot_of(key) == slot


def test_a_prefix_must_not_move_the_tag() -> None:
    assert Keys("{p}:").thread("t") == "{p}:mastra_threads:id:t"
    with pytest.raises(ConfigurationError, match="key_prefix"):
        Keys("{p}:", hash_tags=True)
