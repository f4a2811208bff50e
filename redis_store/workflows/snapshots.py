"""Snapshots that are being changed, field by field: what is not changed keeps its bytes."""

from typing import Protocol

from msgspec import Raw

from redis_store._engine import raw_fields
from redis_store._engine.raw_fields import Fields


class Snapshot(Protocol):
    """The snapshot of a run, to be changed."""

    def member(self, field: str, name: str) -> Raw | None:
        """Return a member of the object that a field holds; ``None`` if there is none."""
        ...

    def assign(self, fields: Fields) -> None:
        """Replace fields, or add them."""
        ...

    def merge(self, field: str, members: Fields) -> None:
        """Merge members into the object that a field holds; it replaces any other value."""
        ...


class SplitSnapshot:
    """A snapshot that is split into its fields, and joined again."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        # The objects that fields hold, as far as they were asked for.
        self._objects: dict[str, Fields] = {}

    def member(self, field: str, name: str) -> Raw | None:
        """Return a member of an object: see ``Snapshot``."""
        return self._object(field).get(name)

    def assign(self, fields: Fields) -> None:
        """Replace fields: see ``Snapshot``."""
        self.fields |= fields
        self._objects.clear()

    def merge(self, field: str, members: Fields) -> None:
        """Merge members into an object: see ``Snapshot``."""
        known = self._object(field)
        known |= members
        self.fields[field] = raw_fields.join(known)

    def _object(self, field: str) -> Fields:
        known = self._objects.get(field)
        if known is None:
            known = raw_fields.fields_of(self.fields.get(field)) or {}
            self._objects[field] = known
        return known
