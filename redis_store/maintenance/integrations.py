"""Integrations: what they ask maintenance to do for the records that only they know.

The core imports no integration. One registers itself when it is imported; from then on ``verify``,
``prune``, ``erase_resource`` and ``export_resource`` of every store cover its records.

Tests: ``tests/maintenance/test_integrations.py``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import msgspec

from redis_store._engine.database import Database
from redis_store.maintenance.report import Report
from redis_store.models import IntegrationRecord

# Removes one batch and returns how many records it had.
Removal = Callable[[], Awaitable[int]]


class Verify(Protocol):
    """Checks an integration's records and indexes, and adds what it finds to the report."""

    async def __call__(self, db: Database, report: Report, *, repair: bool) -> None:
        """Check; with ``repair``, also repair what can be."""
        ...


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """What one integration does in maintenance; ``None`` where there is nothing to do.

    Attributes:
        name: The integration, as in its keys.
        verify: Checks its records and indexes.
        prune: Finds its records last updated before a moment, in epoch µs; yields a removal for
            each batch. A record that changed meanwhile must stay.
        erase: Removes a resource's records; yields how many each batch had.
        export: Finds the records that ``erase`` would remove.
    """

    name: str
    verify: Verify | None = None
    prune: Callable[[Database, int], AsyncIterator[Removal]] | None = None
    erase: Callable[[Database, str], AsyncIterator[int]] | None = None
    export: Callable[[Database, str], AsyncIterator[IntegrationRecord]] | None = None


_registered: dict[str, Integration] = {}


def register(integration: Integration) -> None:
    """Let maintenance cover an integration; one of the same name is replaced."""
    _registered[integration.name] = integration


def registered() -> Iterator[Integration]:
    """Iterate over the integrations that were imported."""
    return iter(list(_registered.values()))
