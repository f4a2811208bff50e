"""What a soak showed, window by window."""

from statistics import median
from typing import Any, Final

import msgspec

FLAT: Final = 1.05


class Window(msgspec.Struct, kw_only=True):
    """Some seconds of it: memory in bytes at their end, times in seconds."""

    at: float
    client_rss: int
    server_used: int
    server_rss: int
    turns: int
    p50: float
    p99: float
    stall: float


class Soak(msgspec.Struct, kw_only=True):
    """A whole soak."""

    setting: dict[str, Any]
    windows: list[Window]

    def quarters(self, name: str) -> tuple[float, float]:
        """Return a figure's median over the first quarter and over the last."""
        values = [float(getattr(window, name)) for window in self.windows]
        size = max(1, len(values) // 4)
        return median(values[:size]), median(values[-size:])

    def is_flat(self, name: str) -> bool:
        """Whether its last quarter is at most 5 % above its first."""
        first, last = self.quarters(name)
        return last <= first * FLAT
