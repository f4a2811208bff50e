"""What calls cost on a cluster, where commands to several nodes go out at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from redis_store import RedisStore
from redis_store._connections.commands import SCRIPTS
from tests.contract.test_costs import COSTS
from tests.support.deployments.place import Place
from tests.support.deployments.variants import TOPOLOGIES
from tests.support.records.memory_calls import every_call, furnish
from tests.support.wire.raw import Raw

# Beyond the hash-tagged layout on one server: what confirms an id, or asks again for one that was
# forgotten, must wait for another node.
WAITS = {
    "save_messages, new": 1,
    "save_messages, stored": 1,
    "save_messages, moved": 1,
    "save_messages, of another resource": 1,
    "save_messages, to two threads": 1,
    "save_messages, creating": 1,
    "save_messages, creating nothing": 1,
    "pop_message": 1,
    "update_messages, moved": 1,
    "delete_messages": 1,
    "delete_messages, of two threads": 1,
}


@pytest.mark.parametrize("variant", TOPOLOGIES[-1:], ids=str, indirect=True)
async def test_a_cluster_costs_at_most_one_round_trip_more(place: Place) -> None:
    """LIST-06, THR-11: each round of requests to the nodes is one."""
    async with place.store() as store, place.store() as other:
        rounds = _count_rounds(store)
        for name, call in every_call().items():
            if name not in COSTS:
                continue
            await furnish(other.memory)
            rounds.clear()
            await call(store.memory)
            assert len(rounds) == COSTS[name].tagged_round_trips + WAITS.get(name, 0), name
        await other.memory.dangerously_clear_all()


@pytest.mark.parametrize("variant", TOPOLOGIES[-1:], ids=str, indirect=True)
async def test_each_primary_loads_each_script_once(place: Place, raw: Raw) -> None:
    """ST-01: init sends the domains' scripts to every primary, and none a second time."""
    slots = await raw("CLUSTER", "SLOTS")
    primaries = {(host, port) for _, _, (host, port, *_), *_ in slots}
    assert len(primaries) > 1
    before = _script_calls(await raw.commandstats())
    async with place.store():
        pass
    after = _script_calls(await raw.commandstats())
    preloaded = [script for script in SCRIPTS.values() if not script.on_demand]
    assert after - before == len(preloaded) * len(primaries)


def _script_calls(stats: dict[str, int]) -> int:
    """How often SCRIPT was called: Redis 6.2 counts it whole, later ones by subcommand."""
    return sum(calls for name, calls in stats.items() if name.startswith("script"))


def _count_rounds(store: RedisStore) -> list[Sequence[Any]]:
    """Keep a list of what is sent, round by round."""
    deployment = cast("Any", store)._lifecycle.deployment  # noqa: SLF001 - what every request passes
    rounds = list[Sequence[Any]]()

    def counted(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counting(commands: Sequence[Any], **options: Any) -> Any:
            rounds.append(commands)
            return await send(commands, **options)

        return counting

    deployment.send, deployment.ask = counted(deployment.send), counted(deployment.ask)
    return rounds
