"""The stored keys as they are, to tell whether anything changed."""

from redis_store._engine.keys import Keys
from tests.support.wire.raw import Raw


async def dump(raw: Raw, keys: Keys) -> dict[str, bytes]:
    """Every key under a prefix with its serialised value; hashes and sets as equal contents."""
    return {key: await _value(raw, key) for key in await raw.keys(keys.prefix)}


async def _value(raw: Raw, key: str) -> bytes:
    kind = await raw("TYPE", key)
    if kind == b"zset":
        return repr(await raw("ZRANGE", key, 0, -1, "WITHSCORES")).encode()
    if kind == b"hash":
        return repr(sorted((await raw.hash(key)).items())).encode()
    value: bytes = await raw("GET", key)
    return value


async def own_keys(raw: Raw, keys: Keys) -> list[str]:
    """The indexes that the library keeps beside the records."""
    return await raw.keys(f"{keys.prefix}redis_store:")
