"""Vectors: their bytes, their codes, and how near they are."""

import math
from random import Random

import pytest

from redis_store import InvalidArgumentError
from redis_store._engine import vectors


def test_a_code_has_one_bit_for_each_dimension() -> None:
    assert vectors.sign_code([1, -1, 0, 0.5, 2, 2, 2, 2, 3]) == bytes([0b1, 0b0011_1111])
    assert vectors.sign_code([-1.0] * 16) == bytes(2)
    assert vectors.distance(bytes([0b1010]), bytes([0b0110])) == 2


def test_near_vectors_have_near_codes() -> None:
    random = Random(1)  # noqa: S311 - no secret
    one = [random.gauss(0, 1) for _ in range(256)]
    near = [each + random.gauss(0, 0.3) for each in one]
    far = [random.gauss(0, 1) for _ in range(256)]
    code = vectors.sign_code(one)
    assert vectors.distance(code, vectors.sign_code(near)) < 50
    assert vectors.distance(code, vectors.sign_code(far)) > 90


@pytest.mark.parametrize(
    ("query", "stored", "score"),
    [
        ([1, 0], [2, 0], 1),
        ([1, 0], [0, 5], 0),
        ([1, 0], [-1, 0], -1),
        ([1, 1], [1, 0], 1 / math.sqrt(2)),
        ([0, 0], [1, 0], 0),
    ],
)
def test_cosine(query: list[float], stored: list[float], score: float) -> None:
    assert vectors.cosine(query, vectors.to_bytes(stored)) == pytest.approx(score)


@pytest.mark.parametrize("stored", [vectors.to_bytes([1, 2, 3]), b"abc"])
def test_what_has_other_dimensions_is_not_compared(stored: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of two kinds
        vectors.cosine([1, 2], stored)


def test_too_many_are_refused() -> None:
    vectors.check_number(vectors.MAX_COMPARED, "ask for less")
    with pytest.raises(InvalidArgumentError, match=r"5001 vectors.*ask for less, or .*database"):
        vectors.check_number(vectors.MAX_COMPARED + 1, "ask for less")
