import pickle
from inspect import isclass

import pytest

import redis_store
from redis_store import errors


def test_the_public_names_are_sorted_and_exist() -> None:
    assert redis_store.__all__ == sorted(redis_store.__all__)
    for name in redis_store.__all__:
        assert getattr(redis_store, name).__name__ == name


def test_every_error_is_public() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isclass(value) and value.__module__ == errors.__name__
    }
    assert found <= set(redis_store.__all__)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConfigurationError, ValueError),
        (errors.InvalidArgumentError, ValueError),
        (errors.NotFoundError, LookupError),
        (errors.BackendUnavailableError, ConnectionError),
        (errors.BackendTimeoutError, TimeoutError),
    ],
)
def test_an_error_is_also_its_builtin(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)
    assert issubclass(error, errors.RedisStoreError)


def test_a_code_names_the_operation_and_the_reason() -> None:
    assert errors.ThreadNotFoundError("t", operation="op").code == "OP_THREAD_NOT_FOUND"
    assert errors.ThreadExistsError("t", operation="op").code == "OP_THREAD_EXISTS"
    wrong = errors.InvalidArgumentError.of("list_messages", "page", "is bad", -1)
    assert wrong.code == "LIST_MESSAGES_INVALID_PAGE"
    assert wrong.details == {"argument": "page", "value": -1}
    assert wrong.category == "user"


@pytest.mark.parametrize(
    "error",
    [
        errors.ThreadNotFoundError("t", operation="op"),
        errors.CorruptRecordError("k", "why"),
        errors.BackendTimeoutError("late", code="X", details={"reason": "TIMEOUT"}),
    ],
)
def test_an_error_survives_pickling(error: errors.RedisStoreError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
