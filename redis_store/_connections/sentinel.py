"""Sentinel deployment: a primary that sentinels name, and optionally its replicas for reads.

Tests: ``tests/connections/test_topologies.py``, ``tests/connections/test_refused_topologies.py``,
``tests/faults/test_sentinel_failover.py``, ``tests/faults/test_replication.py``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis.asyncio as aioredis
from redis import exceptions

from redis_store._connections.commands import Command, is_read
from redis_store._connections.current_call import current_call
from redis_store._connections.limits import Limits
from redis_store._connections.multiplexer import Multiplexer
from redis_store._connections.pools import ClientPool, Pool
from redis_store._connections.standalone import StandaloneDeployment, multiplexer_of
from redis_store.errors import BackendError, BackendUnavailableError


class Sentinels(aioredis.Sentinel):
    """Sentinels that are asked in turn, by one caller at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cast("Any", super()).__init__(*args, **kwargs)
        self._lock = asyncio.Lock()

    async def discover_master(self, service_name: str) -> Any:
        """Return the address of the primary."""
        # redis-py swaps the sentinel that answered to the front of its list. Two swaps at once
        # overwrite each other, and the sentinel that drops out is never asked, nor closed, again.
        async with self._lock:
            return await cast("Any", super()).discover_master(service_name)


class SentinelDeployment(StandaloneDeployment):
    """The current primary behind some sentinels, and its replicas.

    Args:
        sentinel: Names the primary.
        service: The sentinels' name for the deployment.
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
        # redis-py types these methods only in part.
        self._sentinel = cast("Any", sentinel)
        super().__init__(self._sentinel.master_for(service), limits, owned=True)
        self._service = service
        self._replica_client: Any = None
        self._replicas: Multiplexer | None = None
        if reads_replicas:
            self._replica_client = self._sentinel.slave_for(service)
            self._replicas = multiplexer_of(self._replica_client, limits, owned=True)

    async def discover(self) -> None:
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
        self.retries = False
        if self._replicas is not None:
            await self._replicas.close()
            await self._replica_client.aclose(close_connection_pool=True)
        await super().close()
        # Closing the pool does not close these.
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose(close_connection_pool=True)

    def _pools(self) -> list[Pool]:
        clients = [*self._sentinel.sentinels, self._replica_client]
        own = [ClientPool(client.connection_pool) for client in clients if client is not None]
        return [*super()._pools(), *own]

    def _only_node(self, commands: Sequence[Command]) -> Multiplexer | None:
        # Only the first attempt may use a replica: retries go to the primary, by _assign.
        call = current_call.get()
        reads = self._replicas is not None and call is not None and call.read_only
        if reads and all(map(is_read, commands)) and self._replicas not in self._avoided:
            return self._replicas
        return self._multiplexer

    def _node_to_ask(self, command: Command) -> Multiplexer | None:
        return super()._node_to_ask(command) if self._replicas is None else None


def _diagnosis(service: str, answers: Sequence[object]) -> BackendError:
    """Say why no sentinel named a primary, from their replies to SENTINEL MASTERS."""
    services = [cast("Mapping[str, Any]", each) for each in answers if isinstance(each, dict)]
    if not services:
        return _refusal(service, answers)
    if all(service not in known for known in services):
        why, reason = f"do not know the service {service!r}: check its name", "UNKNOWN_SERVICE"
    else:
        why, reason = f"see no primary of {service!r} that is up", "NO_PRIMARY"
    return _error(BackendUnavailableError, why, reason, service)


def _refusal(service: str, answers: Sequence[object]) -> BackendError:
    """Say why no sentinel answered. An error reply tells more than an unreachable sentinel."""
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
