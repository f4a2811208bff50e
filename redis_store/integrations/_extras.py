"""Extras: what to install where a framework is missing or too old."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def requires(extra: str) -> Generator[None]:
    """Import a framework in the block.

    Args:
        extra: The extra of ``redis-store`` that installs it.

    Raises:
        ImportError: It is not installed, or lacks a name; the message names the extra.
    """
    try:
        yield
    except ImportError as exc:
        hint = f"pip install --upgrade 'redis-store[{extra}]'"
        raise ImportError(f"{exc.msg}: {hint}", name=exc.name, path=exc.path) from exc
