"""JSON values: which Python values are stored, comparison, and encoding.

===========================================  =====================================================
``None``, bool, int, finite float, str       come back as given, beyond 2**53 and with half a
                                             surrogate pair too
list, dict with str keys                     the same, nested at most ``MAX_DEPTH`` deep
tuple, named tuple                           as a list
subclasses of str, int, float, list, dict    as what they derive from
enum members                                 as their values; also as keys, if that is a str
dataclasses, msgspec Structs                 as an object of their fields
pydantic models                              as ``model_dump(mode="json")``
===========================================  =====================================================

All else would not come back as given and is refused, with its place: NaN and infinity, bytes, sets,
dates, decimals, UUIDs, keys that are no str, and any other object.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from gc import get_referents
from itertools import starmap
from math import isfinite
from typing import Any, TypeGuard, cast

import msgspec
from msgspec import UNSET, Raw, Struct

# Lists and dicts within each other. Python 3.11, the strictest, stops msgspec and json at 990 less
# the callers' frames, and ``same`` at a third of that.
MAX_DEPTH = 200

# Where it is too deep, so much of the place is told.
_LONG_PLACE = 80

_encoder = msgspec.json.Encoder()

_PLAIN = frozenset({type(None), bool, int, float, str, list, tuple, dict})
_NESTING = frozenset({list, tuple, dict})
_SURROGATE = re.compile("[\ud800-\udfff]")
_HINTS: dict[type, str] = {
    bytes: "; decode it, or encode it as text",
    set: "; make it a list",
    frozenset: "; make it a list",
}


class NotJsonError(ValueError):
    """A value that would not come back as given.

    Attributes:
        place: Where it is within what was to be stored, such as ``.parts[0].args``.
        value: The value.
    """

    def __init__(self, place: str, why: str, value: object) -> None:
        super().__init__(why)
        self.place = place
        self.value = value


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether the value is a JSON array."""
    return isinstance(value, (list, tuple))


def is_encodable(text: str) -> bool:
    """Whether the text is UTF-8, as keys are: without half a surrogate pair."""
    return _SURROGATE.search(text) is None


def same(left: object, right: object) -> bool:
    """Compare JSON values by type: ``1``, ``"1"`` and ``True`` differ, ``1`` and ``1.0`` do not."""
    if is_object(left) and is_object(right):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if is_array(left) and is_array(right):
        return len(left) == len(right) and all(starmap(same, zip(left, right, strict=True)))
    if _is_number(left) and _is_number(right):
        return left == right
    return type(left) is type(right) and left == right


def has_fields(value: object, wanted: Mapping[str, Any]) -> bool:
    """Whether the value is an object that has every wanted field, with the same value.

    A missing field is not ``None``. Without wanted fields any value will do.
    """
    if not wanted:
        return True
    return is_object(value) and all(
        key in value and same(value[key], field) for key, field in wanted.items()
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def are_plain(values: Sequence[object], depth: int = MAX_DEPTH) -> bool:
    """Whether ``plain`` would return each value as it is (or a tuple as a list).

    It looks at all values of one level at once, in C: 0.4 µs for a message. Encode the values
    before, which fails for one that contains itself.
    """
    level: Sequence[object] = values
    while level:
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        if float in kinds and not all(isfinite(each) for each in level if type(each) is float):
            return False
        nesting = [each for each in level if type(each) in _NESTING]
        if nesting and not depth:
            return False
        depth -= 1
        # The items of lists and the values of dicts; and the keys too of a dict with any that is no
        # exact str, which their number tells.
        level = get_referents(*nesting)
        if len(level) != sum(map(len, cast("list[list[object]]", nesting))):
            return False
    return True


def plain(value: object, place: str = "", depth: int = MAX_DEPTH) -> Any:
    """Return what is stored of a value: what decoding its JSON gives.

    Raises:
        NotJsonError: Something in it would not come back as given.
    """
    while isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, Raw)):
        return value
    if isinstance(value, (str, int, float)):
        return _plain_scalar(value, place)
    if not depth:
        why = f"has no JSON form: more than {MAX_DEPTH} lists and dicts are nested"
        raise NotJsonError(f"{place[:_LONG_PLACE]}…", why, value)
    if is_array(value):
        return [plain(item, f"{place}[{at}]", depth - 1) for at, item in enumerate(value)]
    return _plain_fields(_fields_of(value, place), place, depth - 1)


def _plain_scalar(value: str | float, place: str) -> str | float:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if not isfinite(value):
        raise NotJsonError(place, f"has no JSON form: it is {value}", value)
    return float.__float__(value)


def _fields_of(value: object, place: str) -> Mapping[object, object]:
    """Return the fields of what is stored as an object."""
    if isinstance(value, dict):
        return cast("dict[object, object]", value)
    if isinstance(value, Struct):
        return cast("Mapping[object, object]", struct_fields(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        _refuse_nan(dump(value), place)  # The model's JSON has null in its place.
        return cast("Mapping[object, object]", dump(value, mode="json"))
    hint = next((hint for kind, hint in _HINTS.items() if isinstance(value, kind)), "")
    raise NotJsonError(place, f"has no JSON form: it is a {type(value).__name__}{hint}", value)


def _refuse_nan(value: object, place: str) -> None:
    """Refuse NaN and infinity in lists, tuples, sets and dicts."""
    if isinstance(value, float):
        _plain_scalar(value, place)
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            _refuse_nan(item, f"{place}{_step(str(key))}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for at, item in enumerate(cast("Iterable[object]", value)):
            _refuse_nan(item, f"{place}[{at}]")


def _plain_fields(value: Mapping[object, object], place: str, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = key.value if isinstance(key, Enum) else key
        if not isinstance(name, str):
            why = f"has no JSON form: its key {key!r} is no str"
            raise NotJsonError(place, why, key)
        if name in result:
            raise NotJsonError(place, f"has no JSON form: two of its keys are {name!r}", key)
        result[str.__str__(name)] = plain(item, f"{place}{_step(name)}", depth)
    return result


def _step(name: str) -> str:
    return f".{name}" if name.isidentifier() else f"[{name!a}]"


def struct_fields(record: Struct) -> dict[str, Any]:
    """Return a Struct's fields by wire name, as they are; without those that are not encoded."""
    names = zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True)
    found = {wire: getattr(record, name) for wire, name in names}
    omits_none = record.__struct_config__.omit_defaults
    return {
        wire: value
        for wire, value in found.items()
        if value is not UNSET and not (value is None and omits_none)
    }


def encode(value: object) -> bytes:
    """Encode a record, or what ``plain`` returns, as JavaScript does.

    Half a surrogate pair, which JavaScript leaves where it cuts an emoji, is escaped.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_escaped(value))


def encode_each(values: Sequence[object]) -> list[bytes]:
    """Encode each of some records: see ``encode``."""
    try:
        return list(map(_encoder.encode, values))
    except UnicodeEncodeError:
        return list(map(encode, values))


def _escaped(value: object) -> object:
    """Return a value that msgspec can encode: JSON in place of texts that it refuses."""
    if isinstance(value, Struct):
        value = struct_fields(value)
    if isinstance(value, str):
        return value if is_encodable(value) else Raw(_quoted(value))
    if is_object(value):
        # Not msgspec's own keys: a key cannot be Raw.
        items = (_quoted(k) + b":" + _encoder.encode(_escaped(v)) for k, v in value.items())
        return Raw(b"{" + b",".join(items) + b"}")
    return list(map(_escaped, value)) if is_array(value) else value


def _quoted(text: str) -> bytes:
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):x}", quoted).encode()
