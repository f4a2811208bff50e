"""Any damage to any index, body or record: one repair, and everything agrees again."""

import random

import pytest

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_invariants
from tests.support.records.mastra_database import THREADS, load
from tests.support.wire.raw import Raw

SEEDS = 24
# Scores before, among and behind those of the records.
SCORES = ("-inf", 0, 1768469400000001, 1768469400005000, 1 << 52, "+inf", 1768469400000000.5)


class Vandal:
    """Damages a database at random, the same for the same seed."""

    def __init__(self, raw: Raw, keys: Keys, seed: str) -> None:
        self._raw = raw
        self._keys = keys
        self._random = random.Random(seed)  # noqa: S311 - no secret

    async def strike(self, times: int) -> None:
        """Damage so many keys."""
        for _ in range(times):
            names = await self._raw.keys(self._keys.prefix)
            key = self._random.choice(names)
            kind = await self._raw("TYPE", key)
            if self._random.random() < 0.25:
                await self._raw("DEL", key)
            elif kind == b"zset":
                await self._disorder(key)
            elif kind == b"hash":
                await self._miscount(key)
            elif key.startswith(self._keys.message_pointer("")):
                await self._raw("SET", key, self._any_thread())
            else:
                await self._invent()

    async def _disorder(self, key: str) -> None:
        members = await self._raw("ZRANGE", key, 0, -1)
        member = self._random.choice([*members, self._any_thread(), "ghost"])
        if self._random.random() < 0.4:
            await self._raw("ZREM", key, member)
        else:
            await self._raw("ZADD", key, self._random.choice(SCORES), member)

    async def _miscount(self, key: str) -> None:
        owner = self._random.choice([*await self._raw.hash(key), "ghost"])
        await self._raw("HSET", key, owner, self._random.randrange(-1, 4))

    async def _invent(self) -> None:
        """Add what leads nowhere."""
        keys, ghost = self._keys, self._random.choice(["ghost", self._any_thread()])
        inventions: list[tuple[object, ...]] = [
            ("ZADD", keys.timeline(ghost), 5, "ghost"),
            ("ZADD", keys.threads_with_messages_of("ghost"), 5, ghost),
            ("ZADD", keys.threads_of("ghost", "created_at"), 5, ghost),
            ("HSET", keys.resource_counts(ghost), "ghost", 1),
            ("SET", keys.message_pointer("ghost"), ghost),
        ]
        await self._raw(*self._random.choice(inventions))

    def _any_thread(self) -> str:
        return self._random.choice(list(THREADS))


@pytest.mark.damages
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_after_any_damage_a_repair_makes_everything_agree(
    store: RedisStore, place: Place, raw: Raw, request: pytest.FixtureRequest, seed: int
) -> None:
    await load(raw, place.keys)
    await store.reindex()
    # A seed of its own for each layout.
    await Vandal(raw, place.keys, f"{request.node.name} {seed}").strike(times=2 + 2 * seed)
    await store.verify(repair=True)
    report = await store.verify()
    assert report.ok, report.findings
    await check_invariants(raw, place.keys)
    await check_listings(store, raw, place.keys)
