"""What deployments of several servers are made of: nodes that tests can ask anything.

Their ports lie below those that systems give to outgoing connections: nothing else takes the port
of a node that was killed before it starts again.
"""

import re
import secrets
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import anyio
from redis.exceptions import BusyLoadingError

from tests.support.deployments.servers import Server
from tests.support.wire.raw import Raw

LOCALHOST: Final = "127.0.0.1"
# A diskless primary waits for others to sync with, and then up to 1 s for the replica's first word.
SYNC_ARGS: Final = ("--repl-diskless-sync", "no", "--repl-diskless-load", "on-empty-db")
_BUS_OFFSET: Final = 10_000  # from a cluster node's port to that of its bus

_handed_out: set[int] = set()


def free_port_pair() -> int:
    """Find a free port whose cluster bus port is free as well."""
    while True:
        # Not random: its seed may be the same in all processes of a test run.
        port = 10_000 + secrets.randbelow(10_000)
        if port not in _handed_out and _is_free(port) and _is_free(port + _BUS_OFFSET):
            _handed_out.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener, suppress(OSError):
        listener.bind((LOCALHOST, port))
        return True
    return False


def acl_args(password: str | None, users: Sequence[str]) -> list[str]:
    """Give a server's options: the default user's password, and ACL rules of further users."""
    own = ["--requirepass", password, "--masterauth", password] if password else []
    return own + [part for rule in users for part in ("--user", *rule.split())]


class Node(Server):
    """A server of a deployment: ``await node("CLUSTER", "INFO")`` asks it, as the default user.

    Attributes:
        config: Its configuration file, which a sentinel may rewrite; options overrule it.
    """

    def __init__(
        self,
        binary: str,
        *,
        port: int,
        args: Sequence[str],
        workdir: Path,
        config: str = "",
        password: str | None = None,
    ) -> None:
        workdir.mkdir(parents=True)
        super().__init__(binary, port=port, args=args, workdir=workdir)
        if "--tls-cert-file" in args:
            # Its port speaks nothing but TLS; its socket does not.
            self._command[self._command.index("--port")] = "--tls-port"
            self._command += ["--port", "0"]
        self.config = workdir / "node.conf"
        self.config.write_text(config)
        self._command.insert(1, str(self.config))
        self._raw = Raw(f"unix://:{quote(password or '', safe='')}@{self.socket}")

    async def __call__(self, *command: object) -> Any:
        return await self._raw(*command)

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by a test since."""
        return self._process is not None

    async def text(self, *command: object) -> str:
        """Ask for text, such as ``CLUSTER NODES``; empty while the node loads its data."""
        with suppress(BusyLoadingError):
            reply: bytes = await self(*command)
            return reply.decode()
        return ""

    async def facts(self, *command: object) -> dict[str, str]:
        """Ask for lines such as ``cluster_state:ok``, with ``INFO`` or ``CLUSTER INFO``."""
        lines = (await self.text(*command)).splitlines()
        return {line.partition(":")[0]: line.partition(":")[2] for line in lines if ":" in line}

    async def in_sync(self) -> bool:
        """Whether its primary, if it has one, and all its connected replicas are in sync."""
        facts = await self.facts("INFO", "replication")
        replicas = (facts[name] for name in facts if re.fullmatch(r"slave\d+", name))
        link = facts.get("master_link_status", "up")
        return link == "up" and all("state=online" in replica for replica in replicas)

    async def _end(self, signum: signal.Signals) -> None:
        async with self._raw:  # leaving it closes its connections
            await super()._end(signum)


class Deployment:
    """Servers that run while its context is open: ``async with Cluster(...) as cluster``."""

    def __init__(self) -> None:
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._set_up()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._ending.aclose()

    async def _set_up(self) -> None:
        raise NotImplementedError

    async def _start(self, *nodes: Node) -> None:
        """Start nodes at once, to be killed when the context ends."""
        async with anyio.create_task_group() as starting:
            for node in nodes:
                self._ending.push_async_callback(node.kill)
                starting.start_soon(node.restart)
