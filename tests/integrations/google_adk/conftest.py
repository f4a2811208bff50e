"""These tests need ADK: ``redis-store[google-adk]``."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from redis_store import RedisStore

if TYPE_CHECKING:
    from redis_store.integrations.google_adk import RedisSessionService

_HAS_ADK = find_spec("google") is not None and find_spec("google.adk") is not None
collect_ignore_glob = [] if _HAS_ADK else ["test_*.py"]


@pytest.fixture
def service(opened: RedisStore) -> "RedisSessionService":
    """A service on data of its own."""
    # Only here: where ADK is not installed, there is nothing to import.
    from redis_store.integrations.google_adk import RedisSessionService  # noqa: PLC0415

    return RedisSessionService(opened)
