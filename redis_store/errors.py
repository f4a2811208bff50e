"""The errors that the library raises.

::

    RedisStoreError                          .code  .category  .details
    ├── ConfigurationError (ValueError)      bad constructor arguments
    ├── InvalidArgumentError (ValueError)    a bad id, page, filter or record; nothing was done
    ├── NotFoundError (LookupError)
    │   └── ThreadNotFoundError              .thread_id
    ├── ConflictError
    │   ├── ThreadExistsError                .thread_id
    │   └── ConcurrentUpdateError            contention outlasted the retries
    ├── CorruptRecordError                   .key names the stored value that cannot be read
    ├── StoreClosedError
    └── BackendError                         the server refused or failed; chained to its error
        ├── BackendUnavailableError (ConnectionError)
        ├── BackendTimeoutError (TimeoutError)
        └── ReplicationError                 fewer than min_replicas acknowledged

No message contains a password: none quotes a URL or a login.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

Category = Literal["user", "backend", "system"]


class RedisStoreError(Exception):
    """The root of every error the library raises.

    Attributes:
        code: What failed and why, in UPPER_SNAKE, such as ``LIST_MESSAGES_INVALID_PAGE``.
        category: Who can fix it: the caller (``user``), the server's operator (``backend``), or
            only somebody who looks at the data (``system``).
        details: The facts, by name.
    """

    category: ClassVar[Category] = "system"
    # Where the failed call is named: nowhere, in the code, or in the message too.
    _named_in: ClassVar[Literal["nothing", "code", "message"]] = "nothing"
    _is_named = False

    def __init__(
        self, message: str, *, code: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details: dict[str, Any] = dict(details or {})

    def add_operation(self, operation: str) -> None:
        """Add the name of the failed call. Of nested calls, the first to do so is the innermost."""
        if self._is_named or self._named_in == "nothing":
            return
        self._is_named = True
        self.code = f"{operation}_{self.code}".upper()
        if self._named_in == "message":
            self.args = (f"{operation}: {self}",)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the state, because the constructors of subclasses do not take ``args``."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[RedisStoreError], args: tuple[Any, ...], state: dict[str, Any]
) -> RedisStoreError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(RedisStoreError, ValueError):
    """The store was constructed with bad arguments."""

    category = "user"


def invalid_setting(argument: str, why: str) -> ConfigurationError:
    """Build the error for one argument of a store's constructor; it names it."""
    return ConfigurationError(
        f"{argument} {why}",
        code=f"CONFIGURATION_INVALID_{argument}".upper(),
        details={"argument": argument},
    )


class InvalidArgumentError(RedisStoreError, ValueError):
    """An argument is invalid. Nothing was read or written."""

    category = "user"
    _named_in = "message"

    def __init__(self, argument: str, why: str, value: object = None, *, place: str = "") -> None:
        super().__init__(
            f"{argument}{place} {why}",
            code=f"INVALID_{argument}".upper(),
            details={"argument": argument, "value": value},
        )
        if place:
            self.details["place"] = f"{argument}{place}"

    def add_item(self, item: str) -> None:
        """Say which item of a list the argument belongs to, such as ``messages[3]``."""
        place = self.details.get("place", self.details["argument"])
        self.details["place"] = f"{item}.{place}"
        self.args = (f"{item}.{self}",)


class NotFoundError(RedisStoreError, LookupError):
    """A record that must exist does not exist."""

    category = "user"


class ThreadNotFoundError(NotFoundError):
    """The thread does not exist."""

    _named_in = "message"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"no thread {thread_id!r}",
            code="THREAD_NOT_FOUND",
            details={"thread_id": thread_id},
        )
        self.thread_id = thread_id


class ConflictError(RedisStoreError):
    """The call conflicts with the stored data."""

    category: ClassVar[Category] = "user"


class ThreadExistsError(ConflictError):
    """The id of the new thread is taken."""

    _named_in = "message"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"thread {thread_id!r} exists",
            code="THREAD_EXISTS",
            details={"thread_id": thread_id},
        )
        self.thread_id = thread_id


class ConcurrentUpdateError(ConflictError):
    """Other writers changed the record faster than this call could. Nothing was written."""

    category = "system"
    _named_in = "message"

    def __init__(self, attempts: int) -> None:
        super().__init__(
            f"other writers won {attempts} times in a row",
            code="CONCURRENT_UPDATE",
            details={"attempts": attempts},
        )


class CorruptRecordError(RedisStoreError):
    """A stored value is not a valid record of the kind that its key stands for."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(
            f"the value stored at {key!r} cannot be read: {why}",
            code="CORRUPT_RECORD",
            details={"key": key, "why": why},
        )
        self.key = key


class StoreClosedError(RedisStoreError):
    """The store was used after ``close()``."""

    category = "user"


class BackendError(RedisStoreError):
    """The server refused or failed. The redis exception is the cause."""

    category = "backend"
    _named_in = "code"


class BackendUnavailableError(BackendError, ConnectionError):
    """The server cannot be reached, or is temporarily not serving."""


class BackendTimeoutError(BackendError, TimeoutError):
    """The server did not answer in time. A write may or may not have been applied."""


class ReplicationError(BackendError):
    """The write is on the primary; fewer than ``min_replicas`` replicas confirmed it.

    Attributes:
        confirmed: How many did.
    """

    def __init__(self, confirmed: int, wanted: int) -> None:
        super().__init__(
            f"{confirmed} of {wanted} replicas confirmed a write that is on the primary",
            code="BACKEND_REPLICATION",
            details={"reason": "REPLICATION", "confirmed": confirmed, "wanted": wanted},
        )
        self.confirmed = confirmed
