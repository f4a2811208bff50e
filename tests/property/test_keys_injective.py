"""Different ids have different keys, in both layouts, and a thread's keys share a slot."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from redis_store._connections.slots import slot_of
from redis_store._engine.arguments import check_run, check_thread_id
from redis_store._engine.keys import Keys
from redis_store.errors import InvalidArgumentError
from tests.support.deployments.servers import Server, free_port, server_binaries
from tests.support.wire.raw import Raw

Ids = tuple[str, ...]

layouts = pytest.mark.parametrize("layout", ["plain", "tagged"])

# What stands between the ids in keys, and what decides the slot.
_MARKS = [":id:", ":workflow_name:", ":run_id:", ":resourceId:", ":messages", "{", "}", "%"]
pieces = st.sampled_from(_MARKS + [mark[:-1] for mark in _MARKS[:4]] + list(":id{}%x*\\é"))
texts = st.lists(pieces, min_size=1, max_size=5).map("".join) | st.text(min_size=1, max_size=20)
# Ids of these, side by side, come as close to one another's keys as ids can.
alphabets = st.one_of(
    st.tuples(st.sampled_from(_MARKS[:4]), st.characters(exclude_categories=["Cs"])).map(
        lambda drawn: [drawn[0], drawn[0][:-1], drawn[0][1:], drawn[1]]
    ),
    st.lists(pieces, min_size=1, max_size=4, unique=True),
    st.just(["{", "}", "%", "x"]),
)
prefixes = st.sampled_from(["", "p:", "}", "thread:", "mastra_threads:id:"])


def _accepted(check: Callable[..., object], *ids: str) -> bool:
    try:
        check(*ids)
    except InvalidArgumentError:
        return False
    return True


def _is_thread_id(text: str) -> bool:
    return _accepted(check_thread_id, "thread_id", text)


thread_ids = texts.filter(_is_thread_id)


def _records(ids: list[str]) -> Iterator[tuple[str, Ids]]:
    """Every record of these ids that is accepted: what it is called in Keys, and its ids."""
    threads = list(filter(_is_thread_id, ids))
    for kind in ("thread", "timeline", "resource_counts"):
        yield from ((kind, (thread_id,)) for thread_id in threads)
    for kind in ("message_pointer", "resource", "threads_with_messages_of", "score"):
        yield from ((kind, (id_,)) for id_ in ids)
    yield from (("message", pair) for pair in product(threads, ids))
    yield from (("threads_of", pair) for pair in product(ids, ["created_at", "updated_at"]))
    yield from (("threads_shard", pair) for pair in product(["0", "1"], ["created_at"]))
    for run in product(ids, repeat=3):
        if _accepted(check_run, *run):
            yield "run", run
            yield from (("run", (*run, resource_id)) for resource_id in ids[:2])


def _key(keys: Keys, kind: str, ids: Ids) -> str:
    if kind == "run":  # with a fourth id as @mastra/redis spells a run that has a resource
        return keys.run(*ids[:3]) + "".join(map(keys.run_suffix, ids[3:]))
    spell: Callable[..., str] = getattr(keys, kind)
    return spell(*ids)


@layouts
@given(alphabet=alphabets, prefix=prefixes)
@settings(max_examples=40, deadline=None, print_blob=True)
def test_different_records_have_different_keys(
    alphabet: list[str], prefix: str, layout: str
) -> None:
    keys = Keys(prefix, hash_tags=layout == "tagged")
    ids = {*alphabet, *map("".join, product(alphabet, repeat=2))}
    spelled: dict[str, tuple[str, Ids]] = {}
    for record in _records(sorted(ids)):
        assert spelled.setdefault(_key(keys, *record), record) == record


@given(thread_id=thread_ids, message_ids=st.lists(texts, max_size=4), prefix=prefixes)
@example(thread_id="}", message_ids=["{x}"], prefix="")
@example(thread_id="}{x}", message_ids=["m"], prefix="")
@settings(max_examples=400, deadline=None, print_blob=True)
def test_all_keys_of_a_thread_share_a_slot(
    thread_id: str, message_ids: list[str], prefix: str
) -> None:
    keys = Keys(prefix, hash_tags=True)
    of_thread = [
        keys.thread(thread_id),
        keys.timeline(thread_id),
        keys.resource_counts(thread_id),
        *[keys.message(thread_id, id_) for id_ in message_ids],
    ]
    assert len({keys.slot(key) for key in of_thread}) == 1
    # By the cluster's own rule, and by what is braced alone: an empty tag would decide nothing.
    assert {key_slot(key.encode()) for key in of_thread} == {keys.slot(of_thread[0])}
    assert key_slot(keys.thread(thread_id).partition("{")[2].partition("}")[0].encode()) == (
        keys.slot(of_thread[0])
    )


@given(key=texts)
@settings(max_examples=400, deadline=None, print_blob=True)
def test_a_slot_is_what_redis_py_says(key: str) -> None:
    assert slot_of(key) == key_slot(key.encode())


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Raw]:
    """A client of a server in cluster mode."""
    port = next(port for port in iter(free_port, 0) if port < 55536)  # its bus: 10000 above
    args = ["--cluster-enabled", "yes", "--port", str(port)]
    binary = next(iter(server_binaries().values()))
    server = await Server.start(binary, args=args, workdir=tmp_path_factory.mktemp("node"))
    async with server, Raw(server.url) as client:
        yield client


@given(key=texts)
@settings(max_examples=100, deadline=None, print_blob=True)
async def test_a_slot_is_what_a_server_says(key: str, node: Raw) -> None:
    assert slot_of(key) == await node("CLUSTER", "KEYSLOT", key)
