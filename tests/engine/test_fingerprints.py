"""Fingerprints: the server computes the same ones."""

import pytest

from redis_store._engine.fingerprints import Fingerprint, fingerprint
from redis_store._engine.scripts import COMMIT
from redis_store._engine.steps import expect_fingerprint
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw

BLOCK = 65536


async def _refused(raw: Raw, key: str, value: Fingerprint) -> bytes | bool | None:
    """Return what the server has instead of a fingerprint; ``False`` if it has that."""
    step = expect_fingerprint({key: value})
    script, args = COMMIT.source, [step.name, *step.args]
    applied, *conflict = await raw("EVAL", script, 1, key, *args)
    return False if applied else conflict[1]


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 7])
async def test_the_server_computes_the_same(raw: Raw, place: Place, size: int) -> None:
    key, value = f"{place.keys.prefix}k", bytes(n * n % 251 for n in range(size))
    await raw("SET", key, value)
    try:
        assert await _refused(raw, key, fingerprint(value)) is False
        assert await _refused(raw, key, fingerprint(value + b"x")) == fingerprint(value)
        assert await _refused(raw, key, fingerprint(value[:-1] + b"\xff")) == fingerprint(value)
    finally:
        await raw("DEL", key)


async def test_what_is_missing_or_no_string_has_none(raw: Raw, place: Place) -> None:
    """An empty string stands for itself."""
    key = f"{place.keys.prefix}k"
    assert await _refused(raw, key, fingerprint(b"x")) is None
    for command, outcome in ((("SET", key, ""), b""), (("SADD", key, "a"), None)):
        await raw("DEL", key)
        await raw(*command)
        assert await _refused(raw, key, fingerprint(b"x")) == outcome
    await raw("DEL", key)
