"""Fingerprints: what stands for a large value where values are compared.

The server computes them too: see ``lua/lib/fingerprint.lua``.
"""

from hashlib import sha1

_LARGE = 2**18
# By blocks, because a server takes longer to copy a large value into Lua than to hash it.
_BLOCK = 65536


class Fingerprint(bytes):
    """The digest of the digests of a value's blocks, in hex."""


def is_large(size: int) -> bool:
    """Whether a value of that size is compared by fingerprint, and handled in a thread."""
    return size > _LARGE


def fingerprint(value: bytes) -> Fingerprint:
    """Return a value's fingerprint."""
    view = memoryview(value)
    # The digest guards against races, not attacks.
    digests = "".join(
        sha1(view[at : at + _BLOCK], usedforsecurity=False).hexdigest()
        for at in range(0, len(value), _BLOCK)
    )
    return Fingerprint(sha1(digests.encode(), usedforsecurity=False).hexdigest().encode())
