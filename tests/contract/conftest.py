"""The memory of a store whose traffic is counted, and the two ways in which messages are saved."""

from collections.abc import AsyncIterator

import pytest

from redis_store import MemoryStore, RedisStore
from redis_store.memory import message_append


@pytest.fixture
async def metered(metered_store: RedisStore) -> AsyncIterator[MemoryStore]:
    """The memory of a connected store behind ``proxy``, on the test's data."""
    yield metered_store.memory
    await metered_store.memory.dangerously_clear_all()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of saving with its short way, and in the full matrix without it too."""
    is_full = metafunc.config.getoption("--matrix") == "full"
    if is_full and metafunc.definition.path.name.startswith("test_save_"):
        metafunc.fixturenames.append("has_short_way")
        metafunc.parametrize(
            "has_short_way", [True, False], ids=["short", "transaction"], indirect=True
        )


@pytest.fixture
def has_short_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether ``save_messages`` may do without a transaction."""
    monkeypatch.setattr(message_append, "is_enabled", request.param)
