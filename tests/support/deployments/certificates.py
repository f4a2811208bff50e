"""Certificates for one test, and servers that speak TLS with them."""

import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import trustme

from tests.support.deployments.nodes import LOCALHOST, Node
from tests.support.deployments.servers import server_binaries


def tls_binaries() -> dict[str, str]:
    """Find the servers that were built with TLS."""
    return {name: binary for name, binary in server_binaries().items() if _speaks_tls(binary)}


def _speaks_tls(binary: str) -> bool:
    # It ends at the first line that it does not understand, and says which.
    done = subprocess.run(
        [binary, "-"],
        input=b"tls-auth-clients no\nno-such-option 1\n",
        capture_output=True,
        check=False,
    )
    return b"at line 2" in done.stdout + done.stderr


class Certificates:
    """An authority, and what it issued for a host.

    Attributes:
        authority: The file of the authority's own certificate.
        args: A server's options.
    """

    def __init__(self, authority: trustme.CA, workdir: Path, host: str = LOCALHOST) -> None:
        workdir.mkdir(parents=True, exist_ok=True)
        self._issuer = authority
        self.authority, self._own, self._key = (
            str(workdir / f"{host}-{name}.pem") for name in ("authority", "own", "key")
        )
        issued = authority.issue_cert(host)
        authority.cert_pem.write_to_path(self.authority)
        issued.cert_chain_pems[0].write_to_path(self._own)
        issued.private_key_pem.write_to_path(self._key)
        self._workdir = workdir

    @classmethod
    def issue(cls, workdir: Path) -> Self:
        """Found an authority, and let it issue a certificate for loopback."""
        return cls(trustme.CA(), workdir)

    @property
    def args(self) -> tuple[str, ...]:
        paths = ("--tls-ca-cert-file", self.authority, *self._options("--"))
        also = ("--tls-auth-clients", "no", "--tls-replication", "yes", "--tls-cluster", "yes")
        return *paths, *also

    def _options(self, dashes: str = "") -> tuple[str, ...]:
        return f"{dashes}tls-cert-file", self._own, f"{dashes}tls-key-file", self._key

    @asynccontextmanager
    async def for_another_host(self, nodes: Sequence[Node]) -> AsyncGenerator[None]:
        """Let nodes show, during the block, what the authority issued for another host."""
        other = Certificates(self._issuer, self._workdir, "elsewhere.example")
        for node in nodes:
            await node("CONFIG", "SET", *other._options())
        try:
            yield
        finally:
            for node in nodes:
                await node("CONFIG", "SET", *self._options())
