"""The form that records have on the web: Mastra's, as its servers send them and its clients read.

Names are camelCase, dates ISO 8601 in UTC, and a field without a value is left out.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from redis_store import json_values
from redis_store.errors import InvalidArgumentError
from redis_store.json_values import NotJsonError

# Mastra's name where it is another than the field's.
_NAMES = {"messages": "clonedMessages"}


class WireForm(msgspec.Struct):
    """Gives a record to the web."""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values in Mastra's form, a copy.

        Raises:
            InvalidArgumentError: The caller has put something into it that has no JSON form.
        """
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        optional = _optional_fields(type(self))
        return {
            _wire_name(name): to_wire(name, value)
            for name, value in values.items()
            if value is not None or name not in optional
        }

    def to_json(self) -> str:
        """Return the JSON of ``to_dict``."""
        return json_values.encode(self.to_dict()).decode()


def to_wire(name: str, value: object) -> Any:
    """Return a field's value in Mastra's form."""
    if isinstance(value, datetime):
        return _iso(name, value)
    if isinstance(value, WireForm):
        return value.to_dict()
    if json_values.is_array(value) and value and isinstance(value[0], WireForm):
        return [to_wire(name, item) for item in value]
    try:
        return json_values.plain(value)
    except NotJsonError as exc:
        raise InvalidArgumentError(name, str(exc), exc.value, place=exc.place) from exc


def _iso(name: str, moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise InvalidArgumentError(name, "must be an aware datetime", moment)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@lru_cache
def _optional_fields(kind: type[WireForm]) -> frozenset[str]:
    fields = msgspec.structs.fields(kind)
    return frozenset(field.name for field in fields if field.default is None)


@lru_cache
def _wire_name(name: str) -> str:
    first, *others = name.split("_")
    return _NAMES.get(name, first + "".join(map(str.capitalize, others)))
