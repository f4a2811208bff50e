"""Frames: a header that Lua can read as well, followed by raw bytes.

The length of the header in four bytes, the header in msgpack, the bytes. The header is a list of
strings, ints and lists of these: the ``cmsgpack`` of Redis reads no other bytes.
"""

from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode
_SIZE = 4


def frame(header: list[Any], *bodies: bytes) -> bytes:
    """Return the frame of a header and the bytes that follow it."""
    head = _encode(header)
    return b"".join([len(head).to_bytes(_SIZE, "big"), head, *bodies])


def unframe(data: bytes) -> tuple[list[Any], bytes]:
    """Return the header and the bytes of a frame.

    Raises:
        ValueError: It is no frame.
    """
    end = _SIZE + int.from_bytes(data[:_SIZE], "big")
    return _decode(data[_SIZE:end]), data[end:]
