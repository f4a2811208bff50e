"""A primary that sentinels name, and optionally its replicas for reads."""

import asyncio
from typing import Any, cast

import redis.asyncio as aioredis
from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from redis_store.calls import CURRENT
from redis_store.errors import BackendUnavailableError
from redis_store.scripts import is_read
from redis_store.topology.deployment import Job, Limits
from redis_store.topology.standalone import StandaloneClient, node_of


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
        super().__init__(sentinel.master_for(service), limits, owned=True)
        self._sentinel: Any = sentinel
        self._service = service
        self._replicas: Any = sentinel.slave_for(service) if reads_replicas else None
        self._reading = node_of(self._replicas or self.raw)

    async def _round(self, job: Job) -> None:
        call = CURRENT.get()
        reads = self._replicas is not None and call is not None and call.reads
        # After trouble with a replica the primary is asked.
        if not reads or job.error is not None or not all(map(is_read, job.commands)):
            await super()._round(job)
            return
        positions, job.pending = job.pending, []
        await self._ask(self._reading, job, positions)

    async def connect(self) -> None:
        """Ask the sentinels for the primary.

        Raises:
            BackendUnavailableError: They name none; it says why.
        """
        try:
            await self._sentinel.discover_master(self._service)
        except MasterNotFoundError as exc:
            answers = await asyncio.gather(
                *(sentinel.sentinel_masters() for sentinel in self._sentinel.sentinels),
                return_exceptions=True,
            )
            raise _diagnosis(self._service, answers) from exc

    async def close(self) -> None:
        """Close the connections, those to the sentinels too."""
        if self._replicas is not None:
            await self._replicas.aclose(close_connection_pool=True)
        await super().close()
        # The pool leaves these open.
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose(close_connection_pool=True)


def _diagnosis(service: str, answers: list[Any]) -> BackendUnavailableError:
    known = [answer for answer in answers if isinstance(answer, dict)]
    if any(isinstance(answer, exceptions.AuthenticationError) for answer in answers):
        why, reason = "refuse the login: check the sentinels' username and password", "NOAUTH"
    elif not known:
        why, reason = "cannot be reached: check their hosts and ports", "UNREACHABLE"
    elif all(service not in cast("dict[str, Any]", names) for names in known):
        why, reason = f"do not know the service {service!r}: check its name", "UNKNOWN_SERVICE"
    else:
        why, reason = f"see no primary of {service!r} that is up", "NO_PRIMARY"
    return BackendUnavailableError(
        f"the sentinels {why}",
        code=f"BACKEND_SENTINEL_{reason}",
        details={"reason": reason, "service": service},
    )
