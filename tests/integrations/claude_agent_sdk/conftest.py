"""These tests need the Claude Agent SDK: ``redis-store[claude-agent-sdk]``."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from redis_store import RedisStore

if TYPE_CHECKING:
    from redis_store.integrations.claude_agent_sdk import RedisSessionStore

collect_ignore_glob = [] if find_spec("claude_agent_sdk") else ["test_*.py"]


@pytest.fixture
def sessions(opened: RedisStore) -> "RedisSessionStore":
    """A session store on data of its own."""
    # Only here: where the SDK is not installed, there is nothing to import.
    from redis_store.integrations.claude_agent_sdk import RedisSessionStore  # noqa: PLC0415

    return RedisSessionStore(opened)
