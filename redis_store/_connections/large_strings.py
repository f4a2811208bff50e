"""Large strings in replies: collected as they arrive.

hiredis would collect one, too, and then copy it in one call, which for 60 MB keeps the event loop
waiting for 30 ms.

Tests: ``tests/connections/test_large_strings.py``.
"""

import re
from io import BytesIO

# The header of a string of a megabyte up to a gigabyte.
_HEADER = re.compile(rb"\$(\d{7,9})\r\n")
# In less data than this, a header is only looked for at the start.
_LONG = 16384


def find_header(data: bytes) -> re.Match[bytes] | None:
    """Find what may be the header of a large string: the caller knows whether a reply begins there.

    That it begins a reply and is not found does no harm.
    """
    return _HEADER.match(data) or (_HEADER.search(data) if len(data) >= _LONG else None)


class LargeString:
    """A large string of which a part has arrived.

    Args:
        size: Its length.
    """

    def __init__(self, size: int) -> None:
        # Memory that is not written yet costs no time, and the value is taken without a copy.
        self._buffer = BytesIO(bytes(size))
        self._missing = size
        self._missing_end = len(b"\r\n")

    def take(self, data: bytes) -> bytes:
        """Take what belongs to the string; return the rest."""
        self._buffer.write(data[: self._missing])
        rest = data[self._missing :]
        self._missing = max(0, self._missing - len(data))
        end, self._missing_end = self._missing_end, max(0, self._missing_end - len(rest))
        return rest[end:]

    @property
    def value(self) -> bytes | None:
        """The string, once it is complete."""
        return None if self._missing or self._missing_end else self._buffer.getvalue()
