"""Versions of channels: ``0000000002.q3Zk-_9A``, a count and a random part.

The count alone would name two values where a thread forks. Only under names that are unique for
ever may values be based on each other, or be taken from a cache.
"""

import re
from secrets import token_urlsafe

_UNIQUE = re.compile(r"\d{10,}\.[\w-]{8}", re.ASCII)


def next_version(current: object) -> str:
    """Return a version that comes after the current one, which other savers may have made."""
    count = 0 if current is None else int(str(current).partition(".")[0])
    return f"{count + 1:010}.{token_urlsafe(6)}"


def is_unique(version: object) -> bool:
    """Whether no other value ever has this version."""
    return isinstance(version, str) and _UNIQUE.fullmatch(version) is not None
