"""The stored keys as they are, to tell whether anything changed."""

from redis_store._engine.keys import Keys
from tests.support.wire.raw import Raw, fields_of, typed_values


async def dump(raw: Raw, keys: Keys) -> dict[str, bytes]:
    """Every key under a prefix with its serialised value; hashes and sets as equal contents."""
    return {
        key: repr(sorted(fields_of(value).items()) if kind == b"hash" else value).encode()
        for key, (kind, value) in (await typed_values(raw, keys.prefix)).items()
    }


async def own_keys(raw: Raw, keys: Keys) -> list[str]:
    """The indexes that the library keeps beside the records."""
    return await raw.keys(f"{keys.prefix}redis_store:")
