"""Cluster hash slots.

Tests: ``tests/engine/test_keys.py``, ``tests/contract/test_slots.py``.
"""

from binascii import crc_hqx
from functools import lru_cache

SLOTS = 16384


@lru_cache(maxsize=8192)
def slot_of(key: str) -> int:
    """Return a key's hash slot: CRC16 of its hash tag, per the Redis Cluster specification."""
    _, brace, rest = key.partition("{")
    tag, closing, _ = rest.partition("}")
    hashed = tag if brace and closing and tag else key
    return crc_hqx(hashed.encode(errors="surrogateescape"), 0) % SLOTS
