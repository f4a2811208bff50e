"""Error translation: exceptions of redis-py become BackendErrors that say what to check.

Tests: ``tests/connections/test_refused_connections.py``,
``tests/connections/test_refused_topologies.py``, ``tests/faults/test_server_errors.py``,
``tests/faults/test_wrong_types.py``.
"""

import re

from redis import exceptions

from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

# What an operator can do, by reason: the first word of an error reply, or this module's own.
_ADVICE = {
    "OOM": "the server is out of memory: raise maxmemory or free some",
    "READONLY": "the server is a read-only replica: connect to the primary",
    "LOADING": "the server is loading its data: try again soon",
    "MISCONF": "the server refuses writes as it cannot persist: see its log",
    "NOAUTH": "the server asks for a password: check username and password",
    "WRONGPASS": "the server refused the login: check username and password",
    "NOPERM": "the user lacks a permission: see the README for the ACL that is needed",
    "NOSCRIPT": "the server has lost a script",
    "CLUSTERDOWN": "the cluster is not OK: see CLUSTER INFO",
    "NOT_A_CLUSTER": "the server is no cluster node: the connection string is for a cluster",
    "WRONGTYPE": "a key of the store holds a value of another type",
}
_UNAVAILABLE = frozenset(
    {"LOADING", "CLUSTERDOWN", "MASTERDOWN", "NOAUTH", "WRONGPASS", "UNAVAILABLE"}
)
_LOST = (exceptions.ConnectionError, OSError)


def translate(exc: Exception) -> BackendError:
    """Turn an exception of redis-py, or of the network, into a BackendError."""
    if isinstance(exc, BackendError):
        # One each: several calls may get it, and each names itself in its own.
        return type(exc)(str(exc), code=exc.code, details=exc.details)
    reason = _reason(exc)
    details = {"reason": reason}
    message = _ADVICE.get(reason) or _plain_message(exc, reason)
    if reason == "TIMEOUT":
        return BackendTimeoutError(message, code="BACKEND_TIMEOUT", details=details)
    lost = isinstance(exc, _LOST)
    if lost or reason in _UNAVAILABLE:
        return BackendUnavailableError(message, code=f"BACKEND_{reason}", details=details)
    return BackendError(message, code=f"BACKEND_{reason}", details=details)


def timed_out(seconds: float, *, in_doubt: bool) -> BackendTimeoutError:
    """Return the error of a call that got no answer until its deadline."""
    return BackendTimeoutError(
        f"no answer within {seconds:g} s" + ("; a write may have been applied" * in_doubt),
        code="BACKEND_TIMEOUT",
        details={"reason": "TIMEOUT", "in_doubt": in_doubt, "seconds": seconds},
    )


def unanswered(cause: Exception, *, in_doubt: bool) -> BackendError:
    """Build the error of a request without a reply.

    Args:
        cause: Why there is none.
        in_doubt: Whether the server may have applied the request.
    """
    error = translate(cause)
    error.details["in_doubt"] = in_doubt
    error.__cause__ = cause
    return error


# Phrases of error replies that have no code, or whose code redis-py strips.
_PHRASES = {
    "Authentication required": "NOAUTH",
    "HELLO must be called with the client already authenticated": "NOAUTH",
    # Instead of NOAUTH, to a command with many words or a long one.
    "Protocol error: unauthenticated": "NOAUTH",
    "All slots are not covered": "CLUSTERDOWN",
    "cluster support disabled": "NOT_A_CLUSTER",
    # From a sentinel: the quotes depend on its version.
    "unknown command 'CLUSTER'": "NOT_A_CLUSTER",
    "unknown command `CLUSTER`": "NOT_A_CLUSTER",
    "ACL failure in script": "NOPERM",
    # From a script: the slot is migrating, and one of its keys is on the other node.
    "access a non local key": "TRYAGAIN",
    "The user executing the script can't run": "NOPERM",
}
_REASONS: dict[type[Exception], str] = {
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.AuthenticationError: "WRONGPASS",
    exceptions.AuthenticationWrongNumberOfArgsError: "WRONGPASS",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "ASK",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.SlotNotCoveredError: "CLUSTERDOWN",
    exceptions.TimeoutError: "TIMEOUT",
    TimeoutError: "TIMEOUT",
}
# While connecting, redis-py raises one of these around the server's error.
_WRAPPERS = (exceptions.ConnectionError, exceptions.RedisClusterException)


def _reason(exc: Exception) -> str:
    inner = exc.__cause__ or exc.__context__
    if isinstance(exc, _WRAPPERS) and isinstance(inner, Exception):
        return _reason(inner)
    for phrase, reason in _PHRASES.items():
        if phrase in str(exc):
            return reason
    if type(exc) in _REASONS:
        return _REASONS[type(exc)]
    if isinstance(exc, _LOST):
        return "UNAVAILABLE"
    # An error raised in a script quotes the code of the command that failed.
    words = re.findall("[A-Z]+", str(exc))
    return next((word for word in words if word in _ADVICE), "REFUSED")


def _plain_message(exc: Exception, reason: str) -> str:
    if reason == "TIMEOUT":
        return f"the server did not answer in time: {exc}"
    if reason == "UNAVAILABLE" or isinstance(exc, _LOST):
        return f"the server cannot be reached: {exc}"
    return f"the server refused: {exc}"
