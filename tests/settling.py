"""What must hold after calls have raced."""

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.invariants import check_invariants
from tests.raw import Raw

# Index entries of records that are gone or belong elsewhere: no reader shows them.
HARMLESS = {"stale entry", "stale id index"}


async def check_settled(store: RedisStore, raw: Raw, keys: Keys) -> None:
    """Assert that every record is whole, and that every index leads to all that it should.

    In the plain layout no index holds anything else. In the hash-tagged layout no step spans a
    record and its indexes, so entries that lead nowhere may be left; they are removed.
    """
    if keys.hash_tags:
        report = await store.verify(repair=True)
        assert report.problems.keys() <= HARMLESS, report.findings
    await check_invariants(raw, keys)
