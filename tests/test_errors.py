import pickle
from inspect import isclass, ismodule
from typing import TypeVar

import pytest

import redis_store
from redis_store import errors

E = TypeVar("E", bound=errors.RedisStoreError)


def named(error: E, operation: str) -> E:
    """The error as it leaves a public call."""
    error.add_operation(operation)
    return error


def test_the_public_names_are_sorted_and_exist() -> None:
    assert redis_store.__all__ == sorted(redis_store.__all__)
    for name in redis_store.__all__:
        assert getattr(redis_store, name).__name__ == name


def test_every_exported_name_is_listed() -> None:
    exported = {
        name
        for name, value in vars(redis_store).items()
        if not name.startswith("_") and not ismodule(value)
    }
    assert exported == set(redis_store.__all__)


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
    assert named(errors.ThreadNotFoundError("t"), "op").code == "OP_THREAD_NOT_FOUND"
    assert named(errors.ThreadExistsError("t"), "op").code == "OP_THREAD_EXISTS"
    assert named(errors.ConcurrentUpdateError(3), "op").code == "OP_CONCURRENT_UPDATE"
    wrong = named(errors.InvalidArgumentError("page", "is bad", -1), "list_messages")
    assert str(wrong) == "list_messages: page is bad"
    assert wrong.code == "LIST_MESSAGES_INVALID_PAGE"
    assert wrong.details == {"argument": "page", "value": -1}
    assert wrong.category == "user"


def test_outside_a_call_an_error_names_no_operation() -> None:
    wrong = errors.InvalidArgumentError("page", "is bad", -1)
    assert (wrong.code, str(wrong)) == ("INVALID_PAGE", "page is bad")


def test_the_innermost_operation_is_named() -> None:
    missing = named(named(errors.ThreadNotFoundError("t"), "inner"), "outer")
    assert (missing.code, str(missing)) == ("INNER_THREAD_NOT_FOUND", "inner: no thread 't'")


def test_what_the_server_says_is_not_reworded() -> None:
    late = named(errors.BackendTimeoutError("late", code="BACKEND_TIMEOUT"), "op")
    assert (late.code, str(late)) == ("OP_BACKEND_TIMEOUT", "late")


def test_a_corrupt_record_is_the_same_whoever_reads_it() -> None:
    corrupt = errors.CorruptRecordError("k", "why")
    before = (corrupt.code, str(corrupt))
    assert (named(corrupt, "op").code, str(corrupt)) == before


@pytest.mark.parametrize(
    "error",
    [
        named(errors.ThreadNotFoundError("t"), "op"),
        errors.CorruptRecordError("k", "why"),
        errors.BackendTimeoutError("late", code="X", details={"reason": "TIMEOUT"}),
    ],
)
def test_an_error_survives_pickling(error: errors.RedisStoreError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
