"""The cache in dicts: texts as they are stored, lists, and when each key expires."""

import json
import re
from datetime import timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from tests.property.model_comparison import RefusedError
from tests.property.program_calls import Call

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_MILLISECOND = timedelta(milliseconds=1)


class CacheModel:
    """What must be stored now.

    Args:
        ttl: How long what is written lives by default.
        apart: Whether a list and its counter are written in two steps where they share no tag.
    """

    def __init__(self, ttl: timedelta | None, *, apart: bool) -> None:
        self.ttl = ttl
        self.apart = apart
        self.texts: dict[str, str] = {}
        self.lists: dict[str, list[Any]] = {}
        self.expiries: dict[str, int] = {}  # ms after the last write; missing: never

    def get(self, key: str) -> Any:
        self._refuse(key, self.lists)
        return decoded(self.texts[key]) if key in self.texts else None

    def set(self, key: str, value: Any, *, ttl: timedelta | UnsetType | None = UNSET) -> None:
        self.delete(key)
        self.texts[key] = json.dumps(value)
        self._refresh(key, self.ttl if isinstance(ttl, UnsetType) else ttl)

    def list_push(self, key: str, value: Any) -> int:
        self._refuse(key, self.texts)
        self.lists.setdefault(key, []).append(value)
        self._refresh(key, self.ttl)
        return len(self.lists[key])

    def list_length(self, key: str) -> int:
        self._refuse(key, self.texts)
        return len(self.lists.get(key, []))

    def list_from_to(self, key: str, start: int, stop: int = -1) -> list[Any]:
        self._refuse(key, self.texts)
        values = self.lists.get(key, [])
        first, last = (at if at >= 0 else len(values) + at for at in (start, stop))
        return [value for at, value in enumerate(values) if first <= at <= last]

    def delete(self, key: str) -> None:
        for held in (self.texts, self.lists, self.expiries):
            held.pop(key, None)

    def clear(self) -> None:
        for held in (self.texts, self.lists, self.expiries):
            held.clear()

    def increment(self, key: str) -> int:
        self._refuse(key, self.lists)
        text = self.texts.get(key, "0")
        if not _INTEGER.fullmatch(text) or not -(2**63) <= int(text) < 2**63 - 1:
            raise RefusedError("BackendError")
        self.texts[key] = str(int(text) + 1)
        self._refresh(key, self.ttl)
        return int(text) + 1

    def list_push_indexed(self, list_key: str, counter_key: str, value: dict[str, Any]) -> int:
        if list_key == counter_key:
            raise RefusedError("InvalidArgumentError")
        self._refuse(list_key, self.texts)
        apart = self.apart and not (list_key.startswith("{") and counter_key.startswith("{"))
        if not apart:
            self._refuse(counter_key, self.lists)
        index = len(self.lists.get(list_key, []))
        rest = {name: item for name, item in value.items() if name != "index"}
        self.list_push(list_key, rest | {"index": index})
        self._refuse(counter_key, self.lists)
        before = int(self.texts.get(counter_key, "0"))
        self.texts[counter_key] = str(max(before, index + 1))
        self._refresh(counter_key, self.ttl)
        return index

    def views(self) -> list[Call]:
        """Ask for every key, and for every list in the ways that there are."""
        return [
            *(Call("get", {"key": key}) for key in self.texts | self.lists),
            *(Call("list_length", {"key": key}) for key in self.lists),
            *(Call("list_from_to", {"key": key, "start": 0}) for key in self.lists),
        ]

    def _refuse(self, key: str, others: dict[str, Any]) -> None:
        if key in others:
            raise RefusedError("BackendError")

    def _refresh(self, key: str, ttl: timedelta | None) -> None:
        """Let a key expire; one without a time to live keeps what it has."""
        if ttl is not None and ttl > timedelta(0):
            self.expiries[key] = ttl // _MILLISECOND


def decoded(text: str) -> Any:
    """The JSON value, or the text where it is none."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)
