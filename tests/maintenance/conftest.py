"""Maintenance of the domains alone, which leaves nothing but what the store fixture removes."""

from collections.abc import AsyncIterator

import pytest

from redis_store import RedisStore
from redis_store.maintenance import integrations


@pytest.fixture(autouse=True)
async def _other_domains_cleared(store: RedisStore) -> AsyncIterator[None]:
    yield
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()


@pytest.fixture(autouse=True)
def _no_integrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out integrations that other tests imported."""
    monkeypatch.setattr(integrations, "_registered", {})
