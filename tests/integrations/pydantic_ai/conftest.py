"""These tests need Pydantic AI: ``redis-store[pydantic-ai]``."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from redis_store import RedisStore

if TYPE_CHECKING:
    from redis_store.integrations.pydantic_ai import RedisConversationStore

collect_ignore_glob = [] if find_spec("pydantic_ai") else ["test_*.py"]


@pytest.fixture
def conversations(opened: RedisStore) -> "RedisConversationStore":
    """A conversation store on data of its own."""
    # Only here: where the framework is not installed, there is nothing to import.
    from redis_store.integrations.pydantic_ai import RedisConversationStore  # noqa: PLC0415

    return RedisConversationStore(opened)
