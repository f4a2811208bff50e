"""Vectors: how they are stored, and how near they are.

A search takes two stages, so that a plain server is enough: all sign codes in scope are read and
compared, then the vectors of the nearest. Above ``MAX_COMPARED`` it is refused.

Tests: ``tests/engine/test_vectors.py``, ``tests/integrations/langgraph/test_base_store.py``.
"""

import math
from array import array
from collections.abc import Callable, Sequence

from redis_store.errors import InvalidArgumentError

# Vectors that a search compares by their codes; it takes some 70 ms for so many.
MAX_COMPARED = 5_000


def _in_python(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(left, right, strict=True))


# In C from Python 3.12 on.
_product: Callable[[Sequence[float], Sequence[float]], float] = getattr(math, "sumprod", _in_python)


def check_number(count: int, remedy: str) -> None:
    """Refuse to compare more vectors than ``MAX_COMPARED``.

    Args:
        count: How many are in scope.
        remedy: What the caller can do, beside keeping them elsewhere.
    """
    if count > MAX_COMPARED:
        raise InvalidArgumentError(
            "query",
            f"would compare {count} vectors, and at most {MAX_COMPARED} are: {remedy}, or keep so "
            "many in a vector database",
        )


def to_bytes(vector: Sequence[float]) -> bytes:
    """Return a vector as 4-byte floats."""
    return array("f", vector).tobytes()


def sign_code(vector: Sequence[float]) -> bytes:
    """Return one bit for each dimension: whether it is positive.

    Of near vectors, few bits differ; so codes of an eighth of a byte a dimension tell which are
    worth comparing.
    """
    bits = 0
    for value in vector:
        bits = bits << 1 | (value > 0)
    return bits.to_bytes(-(-len(vector) // 8), "big")


def distance(code: bytes, other: bytes) -> int:
    """Return how many bits of two codes differ."""
    return (int.from_bytes(code, "big") ^ int.from_bytes(other, "big")).bit_count()


def cosine(query: Sequence[float], stored: bytes) -> float:
    """Return the cosine of the angle between two vectors; 0 if one of them has no length.

    Raises:
        ValueError: They have different dimensions.
    """
    vector = array("f")
    vector.frombytes(stored)
    if len(vector) != len(query):
        raise ValueError(f"a stored vector has {len(vector)} dimensions, the query {len(query)}")
    values = vector.tolist()
    lengths = math.sqrt(_product(values, values) * _product(query, query))
    return _product(query, values) / lengths if lengths else 0.0
