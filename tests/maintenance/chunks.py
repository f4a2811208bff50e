"""Smaller chunks, so that few records fill several."""

import pytest

_MODULE = "redis_store.maintenance.candidates"


def shrink(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let an erasure or an export look at so many records at once."""
    monkeypatch.setattr(f"{_MODULE}.walk.__defaults__", (size,))
    monkeypatch.setattr(f"{_MODULE}.READ_CHUNK", size)
    monkeypatch.setattr(f"{_MODULE}._RUN_CHUNK", min(size, 20))
    monkeypatch.setattr("redis_store.maintenance.erasure.READ_CHUNK", size)
