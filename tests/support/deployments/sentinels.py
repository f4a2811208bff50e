"""A primary, its replicas, and the sentinels that watch them, as real processes."""

import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.deployments.nodes import (
    LOCALHOST,
    SYNC_ARGS,
    Deployment,
    Node,
    acl_args,
    free_port_pair,
)
from tests.support.schedules.waiting import until


class SentinelDeployment(Deployment):
    """A service of three sentinels: ``async with SentinelDeployment(binary, workdir=...)``.

    It opens when the replicas are in sync and each sentinel is connected to all.

    Attributes:
        service: What the sentinels call it.
        primary: The primary as started; ``current_primary()`` follows failovers.
        replicas: The replicas as started.
        sentinels: Two of three decide; any may be killed, and started with ``restart()``.
        url: Of the service, with the default user's password if there is one.
    """

    service = "mymaster"

    def __init__(
        self,
        binary: str,
        *,
        workdir: Path,
        replicas: int = 1,
        sentinels: int = 3,
        password: str | None = None,
        users: Sequence[str] = (),
        sentinel_password: str | None = None,
        sentinel_users: Sequence[str] = (),
        down_after_ms: int = 500,
        failover_timeout_ms: int = 2000,
        args: Sequence[str] = (),
        sentinel_args: Sequence[str] = (),
    ) -> None:
        """Plan a service.

        Args:
            binary: One of ``server_binaries()``.
            workdir: Where each node gets a directory.
            replicas: How many.
            sentinels: How many; the quorum is their majority.
            password: Of the default user of primary and replicas.
            users: Further users of these, as ACL rules: ``"ann on >secret ~* &* +@all"``.
            sentinel_password: Of the default user of the sentinels.
            sentinel_users: Further users of the sentinels.
            down_after_ms: How long a node is silent until it counts as down.
            failover_timeout_ms: How long a failover may take; twice that until the next attempt.
            args: More options for primary and replicas.
            sentinel_args: More options for the sentinels.
        """
        super().__init__()
        self._binary, self._workdir = binary, workdir
        self._password, self._sentinel_password = password, sentinel_password
        self._data_args = [*SYNC_ARGS, *acl_args(password, users), *args]
        self._times = {
            "down-after-milliseconds": down_after_ms,
            "failover-timeout": failover_timeout_ms,
        }
        self.primary = self._data_node("primary", "")
        following = _replicaof(self.primary.port)
        self.replicas = [self._data_node(f"replica-{n}", following) for n in range(replicas)]
        self._quorum = sentinels // 2 + 1
        self._sentinel_args = sentinel_args
        self.sentinels = [self._sentinel(n, sentinel_users) for n in range(sentinels)]
        self.url = self.url_as("", password or "")

    def url_as(self, username: str, password: str) -> str:
        """Build the URL for a user of primary and replicas."""
        login = f"{quote(username)}:{quote(password, safe='')}@" if password else ""
        return self._url_of(self.service, login)

    @asynccontextmanager
    async def monitored_at(self, port: int, service: str) -> AsyncGenerator[str]:
        """Have the sentinels name the primary by another port too, as a service with this URL."""
        for sentinel in self.sentinels:
            await sentinel("SENTINEL", "MONITOR", service, LOCALHOST, port, self._quorum)
        try:
            yield self._url_of(service)
        finally:
            for sentinel in self.sentinels:
                await sentinel("SENTINEL", "REMOVE", service)

    async def primary_address(self) -> tuple[str, int]:
        """Ask one of the running sentinels where the primary is."""
        return await self._address(self._running()[0])

    async def current_primary(self) -> Node:
        """Ask one of the running sentinels which node is the primary."""
        return self._node_at((await self.primary_address())[1])

    async def kill_primary(self) -> Node:
        """Kill the current primary, and return it."""
        node = await self.current_primary()
        await node.kill()
        return node

    async def failed_over(self, old: Node, *, timeout: float = 20) -> Node:  # noqa: ASYNC109 - as until
        """Wait until all running sentinels name another primary than the old; return it."""

        async def agreed() -> bool:
            ports = [(await self._address(each))[1] for each in self._running()]
            if len(set(ports)) > 1 or old.port in ports:
                return False
            role = await self._node_at(ports[0])("ROLE")
            return bool(role[0] == b"master")

        await until(agreed, "the sentinels agree on a new primary", timeout)
        return await self.current_primary()

    async def rejoin(self, node: Node) -> None:
        """Start a killed node as a replica of the current primary; wait until it is in sync."""
        primary = await self.current_primary()
        # A sentinel would tell it, but only after 10 s in which it is a second primary.
        node.config.write_text(_replicaof(primary.port))
        await node.restart()
        await until(node.in_sync, "the replica is back in sync", 10)
        await until(primary.in_sync, "its primary knows it", 10)
        for sentinel in self._running():
            await until(partial(self._sees, sentinel, node), "a sentinel sees that it is back", 15)

    def _url_of(self, service: str, login: str = "") -> str:
        hosts = ",".join(f"{LOCALHOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{login}{hosts}/{service}/0"

    async def _set_up(self) -> None:
        await self._start(self.primary)
        await self._start(*self.replicas)
        await until(self._replicates, "the replicas are in sync", 15)
        # Last: a sentinel would take 10 s to look again at a replica that was not in sync.
        await self._start(*self.sentinels)
        await self._introduce()
        for sentinel in self.sentinels:
            await until(partial(self._is_connected, sentinel), "a sentinel sees all", 15)

    async def _introduce(self) -> None:
        """Say to each sentinel what the others would say after 2 s."""
        for told, sentinel in itertools.permutations(self.sentinels, 2):
            myid: bytes = await sentinel("SENTINEL", "MYID")
            address = f"{LOCALHOST},{sentinel.port},{myid.decode()},0"
            primary = f"{self.service},{LOCALHOST},{self.primary.port},0"
            await told("PUBLISH", "__sentinel__:hello", f"{address},{primary}")

    async def _replicates(self) -> bool:
        known = (await self.primary.facts("INFO", "replication"))["connected_slaves"]
        synced = [await node.in_sync() for node in (self.primary, *self.replicas)]
        return int(known) == len(self.replicas) and all(synced)

    async def _is_connected(self, sentinel: Node) -> bool:
        primary = _fields(await sentinel("SENTINEL", "MASTER", self.service))
        replicas = await self._known(sentinel, "REPLICAS")
        sentinels = await self._known(sentinel, "SENTINELS")
        synced = [each for each in replicas if each["master-link-status"] == "ok"]
        return (
            primary["flags"] == "master"
            and len(synced) == len(self.replicas)
            and len(sentinels) == len(self.sentinels) - 1
            # Other flags are added when it is not connected, or down.
            and all(each["flags"] == "slave" for each in replicas)
            and all(each["flags"] == "sentinel" for each in sentinels)
        )

    async def _sees(self, sentinel: Node, replica: Node) -> bool:
        known = await self._known(sentinel, "REPLICAS")
        return any(each["port"] == str(replica.port) and each["flags"] == "slave" for each in known)

    async def _known(self, sentinel: Node, kind: str) -> list[dict[str, str]]:
        return [_fields(each) for each in await sentinel("SENTINEL", kind, self.service)]

    async def _address(self, sentinel: Node) -> tuple[str, int]:
        host, port = await sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return host.decode(), int(port)

    def _running(self) -> list[Node]:
        return [sentinel for sentinel in self.sentinels if sentinel.running]

    def _node_at(self, port: int) -> Node:
        return next(node for node in (self.primary, *self.replicas) if node.port == port)

    def _data_node(self, name: str, config: str) -> Node:
        return Node(
            self._binary,
            port=free_port_pair(),
            args=self._data_args,
            workdir=self._workdir / name,
            config=config,
            password=self._password,
        )

    def _sentinel(self, number: int, users: Sequence[str]) -> Node:
        return Node(
            self._binary,
            port=free_port_pair(),
            args=["--sentinel", *self._sentinel_args],
            workdir=self._workdir / f"sentinel-{number}",
            config="".join(f"{line}\n" for line in self._sentinel_config(users)),
            password=self._sentinel_password,
        )

    def _sentinel_config(self, users: Sequence[str]) -> Iterator[str]:
        name = self.service
        yield f"sentinel monitor {name} {LOCALHOST} {self.primary.port} {self._quorum}"
        yield from (f"sentinel {option} {name} {ms}" for option, ms in self._times.items())
        if self._password:
            yield f"sentinel auth-pass {name} {self._password}"
        if self._sentinel_password:
            yield f"requirepass {self._sentinel_password}"
            yield f"sentinel sentinel-pass {self._sentinel_password}"
        yield from (f"user {rule}" for rule in users)


def _replicaof(port: int) -> str:
    return f"replicaof {LOCALHOST} {port}\n"


def _fields(flat: Sequence[Any]) -> dict[str, str]:
    texts = [each.decode() for each in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))
