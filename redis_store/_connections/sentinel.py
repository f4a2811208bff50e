"""A primary that sentinels name, and optionally its replicas for reads."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis.asyncio as aioredis
from redis import exceptions

from redis_store._connections.commands import Command, Reply, is_read
from redis_store._connections.current_call import CURRENT
from redis_store._connections.deployment import Job, Limits
from redis_store._connections.errors import translate
from redis_store._connections.multiplexer import Node
from redis_store._connections.standalone import StandaloneClient, node_of
from redis_store.errors import BackendError, BackendUnavailableError


class Sentinels(aioredis.Sentinel):
    """Sentinels that are asked one after the other, by one caller at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cast("Any", super()).__init__(*args, **kwargs)
        self._asking = asyncio.Lock()

    async def discover_master(self, service_name: str) -> Any:
        """Return the address of the primary.

        redis-py puts whoever answers first in front: two at once would each overwrite what the
        other moved, so that a sentinel is never asked again, nor closed.
        """
        async with self._asking:
            return await cast("Any", super()).discover_master(service_name)


class SentinelClient(StandaloneClient):
    """Commands to the current primary.

    Args:
        sentinel: Names the primary.
        service: What the sentinels call the deployment.
        limits: What is asked of the connections.
        reads_replicas: Whether public reads go to replicas.
    """

    def __init__(
        self,
        sentinel: aioredis.Sentinel,
        service: str,
        limits: Limits,
        *,
        reads_replicas: bool,
    ) -> None:
        # As redis-py types these partially.
        self._sentinel = cast("Any", sentinel)
        super().__init__(self._sentinel.master_for(service), limits, owned=True)
        self._service = service
        self._replicas: Any = self._sentinel.slave_for(service) if reads_replicas else None
        self._reading = node_of(self._replicas or self.raw, limits, owned=True)

    def _only_node(self, commands: Sequence[Command]) -> Node | None:
        # After trouble with a replica the primary is asked: see ``_round``.
        call = CURRENT.get()
        reads = self._replicas is not None and call is not None and call.reads
        return self._reading if reads and all(map(is_read, commands)) else self._node

    def _take(self, job: Job, at: int, reply: Reply, node: Node) -> None:
        """Note a reply; a primary that was demoted is left, and its successor asked."""
        if isinstance(reply, Exception) and translate(reply).details["reason"] == "READONLY":
            node.reset()
            job.refused([at], translate(reply))
        else:
            job.take(at, reply)

    async def connect(self) -> None:
        """Ask the sentinels for the primary.

        Raises:
            BackendError: They name none; it says why.
        """
        try:
            await self._sentinel.discover_master(self._service)
        except (exceptions.RedisError, OSError) as exc:
            answers = await asyncio.gather(
                *(sentinel.sentinel_masters() for sentinel in self._sentinel.sentinels),
                return_exceptions=True,
            )
            raise _diagnosis(self._service, answers) from exc

    async def close(self) -> None:
        """Close the connections, those to the sentinels too."""
        self.patient = False
        await self._reading.close()
        if self._replicas is not None:
            await self._replicas.aclose(close_connection_pool=True)
        await super().close()
        # The pool leaves these open.
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose(close_connection_pool=True)


def _diagnosis(service: str, answers: Sequence[object]) -> BackendError:
    """Say why no sentinel named a primary, by what each answers to SENTINEL MASTERS."""
    services = [cast("Mapping[str, Any]", each) for each in answers if isinstance(each, dict)]
    if not services:
        return _refusal(service, answers)
    if all(service not in known for known in services):
        why, reason = f"do not know the service {service!r}: check its name", "UNKNOWN_SERVICE"
    else:
        why, reason = f"see no primary of {service!r} that is up", "NO_PRIMARY"
    return _error(BackendUnavailableError, why, reason, service)


def _refusal(service: str, answers: Sequence[object]) -> BackendError:
    """Say why no sentinel answered: what any of them said tells more than that one is away."""
    if _is_any(answers, exceptions.AuthenticationError):
        why = "refuse the login: check sentinel_username and sentinel_password"
        return _error(BackendUnavailableError, why, "NOAUTH", service)
    if _is_any(answers, exceptions.NoPermissionError):
        why = "deny the user a permission: see the README for the ACL that is needed"
        return _error(BackendError, why, "NOPERM", service)
    if _is_any(answers, exceptions.ResponseError):
        why = "are none: the connection string must name them, not the servers that they watch"
        return _error(BackendError, why, "WRONG_TOPOLOGY", service)
    why = f"cannot be reached: {'; '.join(dict.fromkeys(map(str, answers)))}"
    return _error(BackendUnavailableError, why, "UNREACHABLE", service)


def _is_any(answers: Sequence[object], kind: type[Exception]) -> bool:
    return any(isinstance(answer, kind) for answer in answers)


def _error(kind: type[BackendError], why: str, reason: str, service: str) -> BackendError:
    return kind(
        f"the sentinels {why}",
        code=f"BACKEND_SENTINEL_{reason}",
        details={"reason": reason, "service": service},
    )
