"""Deployments that ask for logins: one for the data, others for the sentinels."""

from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import Node
from tests.support.deployments.sentinels import SentinelDeployment


class Login(NamedTuple):
    """A user and a password, which URLs must escape."""

    username: str
    password: str

    @classmethod
    def of(cls, username: str) -> "Login":
        return cls(username, f"{token_hex(8)}@:/?#%&+é")

    @property
    def url_part(self) -> str:
        return f"{self.username}:{quote(self.password, safe='')}@"

    @property
    def rule(self) -> str:
        return f"{self.username} on >{self.password} ~* &* +@all"


ANN: Final = Login.of("ann")  # may use the data
BOB: Final = Login.of("bob")  # may ask the sentinels
WRONG: Final = Login.of("eve")
WATCH: Final = Login.of("")  # the sentinels' default user
SECRETS: Final = [each.password for each in (ANN, BOB, WRONG, WATCH)]


def as_sentinel_user(login: Login) -> dict[str, Any]:
    """Give the options of a store that logs in to sentinels."""
    user = {"sentinel_username": login.username} if login.username else {}
    return {**user, "sentinel_password": login.password}


def guarded_sentinel(binary: str, workdir: Path) -> SentinelDeployment:
    """Plan a service where ann may use the servers, and bob may ask the sentinels."""
    return SentinelDeployment(
        binary,
        workdir=workdir,
        password=token_hex(8),
        users=[ANN.rule],
        sentinel_password=WATCH.password,
        # Who has no right at all: a login alone is not enough.
        sentinel_users=[BOB.rule, f"{WRONG.username} on >{WRONG.password}"],
        down_after_ms=10_000,
    )


def guarded_cluster(binary: str, workdir: Path) -> Cluster:
    """Plan a cluster that ann may use."""
    return Cluster(
        binary,
        workdir=workdir,
        replicas=0,
        password=token_hex(8),
        users=[ANN.rule],
        node_timeout_ms=10_000,
    )


def url_of(deployment: SentinelDeployment | Cluster, login: Login = ANN) -> str:
    """Build the URL of a deployment for one user of its data."""
    return deployment.url_as(login.username, login.password)


async def connections(nodes: Sequence[Node], login: Login) -> set[tuple[int, str]]:
    """Which connections of a user the nodes have, by port and id."""
    found: set[tuple[int, str]] = set()
    for node in nodes:
        clients = (await node.text("CLIENT", "LIST")).splitlines()
        mine = [line.split() for line in clients if f" user={login.username} " in f"{line} "]
        found |= {(node.port, parts[0]) for parts in mine}
    return found
