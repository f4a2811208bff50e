"""Connection strings: topology, nodes, login and options. No error or repr shows a password."""

from typing import Any, Literal
from urllib.parse import ParseResult, parse_qsl, unquote, urlparse

import msgspec

from redis_store.errors import ConfigurationError, invalid_setting

Topology = Literal["standalone", "sentinel", "cluster", "embedded"]

_SCHEMES: dict[str, tuple[Topology, bool]] = {
    "redis": ("standalone", False),
    "rediss": ("standalone", True),
    "unix": ("standalone", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "embedded": ("embedded", False),
}
_PORTS: dict[Topology, int] = {"sentinel": 26379}


_LOCAL = ("unix", "embedded")
_UNQUOTED = (
    "its login has a character that URLs give a meaning: quote the user name and the password, as "
    "by urllib.parse.quote(password, safe='')"
)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The location of a deployment, and the login.

    Attributes:
        nodes: Host and port of the server, of the sentinels, or of some cluster nodes.
        path: The unix socket, or the directory of an embedded server.
        service: The sentinels' name for the deployment.
        query: Options of the client from the query string, unparsed.
    """

    topology: Topology
    nodes: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    service: str | None = None
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = None
    query: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """Show the location, never the login."""
        nodes = ",".join(f"{host}:{port}" for host, port in self.nodes)
        where = f"{nodes}/{self.service}" if self.service else nodes or self.path
        return " ".join(filter(None, (self.topology, where, f"db {self.db}")))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show as much where rich prints: msgspec would show all fields."""
        return [("location", repr(self))]


def parse(connection_string: str) -> Address:
    """Parse a connection string.

    Raises:
        ConfigurationError: An unknown scheme, a missing host or service, a bad port or database.
    """
    url = _split(connection_string)
    if url.scheme not in _SCHEMES:
        raise _wrong(f"its scheme must be one of {', '.join(f'{name}://' for name in _SCHEMES)}")
    _check_form(url, connection_string)
    topology, tls = _SCHEMES[url.scheme]
    login, _, hosts = url.netloc.rpartition("@")
    username, _, password = login.partition(":")
    path = [unquote(part) for part in url.path.split("/") if part]
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    local = url.scheme in _LOCAL
    if not local:
        _check_hosts(url, topology, hosts)
    _check_options(url.scheme, query, tls=tls)
    service = _service(path) if topology == "sentinel" else None
    return Address(
        topology=topology,
        nodes=() if local else tuple(_node(host, topology, url) for host in hosts.split(",")),
        path=_local_path(url, hosts) if local else None,
        service=service,
        db=_db(topology, query.pop("db", None), [] if local else path),
        tls=tls,
        username=unquote(username) or None,
        password=unquote(password) or None,
        query=tuple(query.items()),
    )


def _split(connection_string: str) -> ParseResult:
    try:
        return urlparse(connection_string)
    except ValueError:
        # Not chained: the cause quotes the string, with the password.
        raise _wrong(_UNQUOTED if "@" in connection_string else "it is no URL") from None


def _check_form(url: ParseResult, connection_string: str) -> None:
    """Refuse what urlparse takes, and splits elsewhere than was meant."""
    if not connection_string[len(url.scheme) :].startswith("://"):
        examples = {"embedded": "embedded:// or embedded:///dir", "unix": "unix:///path"}
        meant = examples.get(url.scheme, f"{url.scheme}://host")
        raise _wrong(f"{url.scheme}: is followed by //, as in {meant}")
    names = "".join(name for name, _ in parse_qsl(url.query, keep_blank_values=True))
    if url.scheme not in _LOCAL and "@" in url.path + url.fragment + names:
        raise _wrong(_UNQUOTED)
    if "#" in connection_string:
        raise _wrong("it must not contain '#': write %23 where one is meant")


def _check_hosts(url: ParseResult, topology: Topology, hosts: str) -> None:
    if not hosts:
        raise _wrong("it names no host")
    if topology == "standalone" and "," in hosts:
        tls = "s" if url.scheme == "rediss" else ""
        raise _wrong(
            f"{url.scheme}:// takes one host: for a cluster write redis{tls}+cluster://h1,h2, "
            f"for sentinels redis{tls}+sentinel://h1,h2/service"
        )


def _check_options(scheme: str, query: dict[str, str], *, tls: bool) -> None:
    """Refuse options that only the scheme can give."""
    for name in query:
        if name in ("ssl", "tls") or (name.startswith("ssl_") and not tls):
            secure = scheme if tls else scheme.replace("redis", "rediss", 1)
            raise _wrong(f"TLS is asked for by the scheme: write {secure}:// instead of {name}=")


def _node(host_port: str, topology: Topology, url: ParseResult) -> tuple[str, int]:
    host, colon, port = host_port.rpartition(":")
    if not colon or host_port.endswith("]"):
        host, port = host_port, str(_PORTS.get(topology, 6379))
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - 2^16 ports
        is_cut = "@" in url.query and "@" not in url.netloc
        raise _wrong(_UNQUOTED if is_cut else "it has a bad host or port")
    return unquote(host.strip("[]")), int(port)


def _local_path(url: ParseResult, hosts: str) -> str | None:
    if hosts:
        raise _wrong(f"{url.scheme}:// takes an absolute path, as in {url.scheme}:///path")
    path = unquote(url.path)
    if url.scheme == "unix" and not path:
        raise _wrong("unix:// takes the path of a socket")
    return path if path.strip("/") else None


def _service(path: list[str]) -> str:
    if not path:
        raise _wrong("a sentinel URL ends in /service or /service/db")
    return path[0]


def _db(topology: Topology, asked: str | None, path: list[str]) -> int:
    rest = path[1:] if topology == "sentinel" else path
    db = asked if asked is not None else "/".join(rest) or "0"
    if not db.isdecimal() or (topology == "cluster" and int(db)):
        raise _wrong("its database must be a whole number (a cluster has only 0)")
    return int(db)


def _wrong(why: str) -> ConfigurationError:
    return invalid_setting("connection_string", f"cannot be used: {why}")
