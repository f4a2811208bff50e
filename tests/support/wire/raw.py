"""A plain client, to look behind the store: RESP2 replies as they come, nothing interpreted."""

from asyncio import gather
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self, cast

import redis.asyncio as aioredis

from redis_store._connections.addresses import parse
from redis_store._connections.slots import slot_of
from redis_store._engine.keys import Keys, escape_glob

_MARKER = Keys().marker()


def connect_raw(url: str) -> "Raw":
    """Build a client for a server, the primary that sentinels name, or a cluster."""
    if url.startswith("redis+cluster://"):
        return _RawCluster(url)
    if url.startswith("redis+sentinel://"):
        return _RawPrimary(url)
    return Raw(url)


class Raw:
    """Sends any command: ``await raw("GET", key)``."""

    def __init__(self, url: str) -> None:
        self._client: Any = self._connect(url)
        self._client.response_callbacks.clear()

    def _connect(self, url: str) -> Any:
        return cast("Any", aioredis.Redis).from_url(url, protocol=2)

    async def __call__(self, *command: object) -> Any:
        return await self._client.execute_command(*command)

    async def many(self, *commands: Sequence[object]) -> list[Any]:
        """Send commands at once, and return their replies in order; raise the first error."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute()
        return replies

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._client.aclose()

    async def keys(self, prefix: str = "") -> list[str]:
        """Every key that starts with a prefix, sorted; the marker of complete indexes left out."""
        found: list[bytes] = await self("KEYS", f"{escape_glob(prefix)}*")
        return sorted(key for name in found if not (key := name.decode()).endswith(_MARKER))

    async def sorted_set(self, key: str) -> dict[str, int]:
        """Members of a sorted set with their scores, in order."""
        return scores_of(await self("ZRANGE", key, 0, -1, "WITHSCORES"))

    async def hash(self, key: str) -> dict[str, str]:
        """Fields of a hash."""
        return fields_of(await self("HGETALL", key))

    async def commandstats(self) -> dict[str, int]:
        """How often each command was called since the server started, by lower-case name."""
        return _calls(await self("INFO", "commandstats"))


async def typed_values(raw: Raw, prefix: str) -> dict[str, tuple[bytes, Any]]:
    """Read the type and the value of each key that starts with a prefix, as the server gives it."""
    keys = await raw.keys(prefix)
    types = await raw.many(*(("TYPE", key) for key in keys))
    values = await raw.many(*map(_read, keys, types))
    return dict(zip(keys, zip(types, values, strict=True), strict=True))


def _read(key: str, kind: bytes) -> tuple[object, ...]:
    if kind == b"string":
        return "GET", key
    return ("ZRANGE", key, 0, -1, "WITHSCORES") if kind == b"zset" else ("HGETALL", key)


def scores_of(flat: Sequence[bytes]) -> dict[str, int]:
    """Turn a reply of members with their scores into a dict, in order."""
    scores = (int(float(score)) for score in flat[1::2])
    return dict(zip((member.decode() for member in flat[::2]), scores, strict=True))


def fields_of(flat: Sequence[bytes]) -> dict[str, str]:
    """Turn a reply of a hash's fields and their values into a dict."""
    return {k.decode(): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)}


def _calls(info: bytes) -> dict[str, int]:
    lines = (line.split(":") for line in info.decode().splitlines() if ":" in line)
    return {
        name.removeprefix("cmdstat_").lower(): int(stats.split(",")[0].removeprefix("calls="))
        for name, stats in lines
    }


class _RawPrimary(Raw):
    """Sends commands to the primary that sentinels name."""

    def _connect(self, url: str) -> Any:
        address = parse(url)
        self._sentinel: Any = cast("Any", aioredis.Sentinel)(list(address.nodes))
        return self._sentinel.master_for(address.service, protocol=2)

    async def __aexit__(self, *exc_info: object) -> None:
        await super().__aexit__(*exc_info)
        await self._sentinel.aclose()


class _RawCluster(Raw):
    """Sends a command to the primary that serves its key; those without a key go to all of them.

    Commands on several keys are sent once for each.
    """

    def __init__(self, url: str) -> None:
        self._first = parse(url).nodes[0]
        self._nodes: dict[tuple[str, int], Raw] = {}
        self._owners: list[tuple[range, Raw]] = []

    async def __aenter__(self) -> Self:
        host, port = self._first
        async with Raw(f"redis://{host}:{port}") as node:
            ranges = await node("CLUSTER", "SLOTS")
        for first, last, (at, its_port, *_), *_ in ranges:
            address = at.decode(), its_port
            node = self._nodes.setdefault(address, Raw(f"redis://{address[0]}:{its_port}"))
            self._owners.append((range(first, last + 1), node))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for node in self._nodes.values():
            await node.__aexit__(*exc_info)

    async def __call__(self, *command: object) -> Any:
        name, *rest = command
        if name in _KEYLESS:
            replies = await gather(*(node(*command) for node in self._nodes.values()))
            return [item for reply in replies for item in reply] if name == "KEYS" else replies[0]
        if name in ("DEL", "EXISTS", "UNLINK"):
            return sum([await self._at(key)(name, key) for key in rest])
        if name == "MGET":
            return await self.many(*(("GET", key) for key in rest))
        if name == "MSET":
            await self.many(*(("SET", *pair) for pair in zip(rest[::2], rest[1::2], strict=True)))
            return b"OK"
        return await self._at(rest[2] if name in ("EVAL", "EVALSHA") else rest[0])(*command)

    async def many(self, *commands: Sequence[object]) -> list[Any]:
        """Send commands with one key each, those of a node at once."""
        by_node: dict[Raw, list[int]] = {}
        for at, (_, key, *_) in enumerate(commands):
            by_node.setdefault(self._at(key), []).append(at)
        sent = [node.many(*(commands[at] for at in each)) for node, each in by_node.items()]
        replies: dict[int, Any] = {}
        for each, came in zip(by_node.values(), await gather(*sent), strict=True):
            replies |= zip(each, came, strict=True)
        return [replies[at] for at in range(len(commands))]

    def _at(self, key: object) -> Raw:
        # Of a name that is no UTF-8 the tag must decide.
        slot = slot_of(key.decode(errors="replace") if isinstance(key, bytes) else str(key))
        return next(node for slots, node in self._owners if slot in slots)

    async def commandstats(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for node in self._nodes.values():
            total.update(await node.commandstats())
        return dict(total)


_KEYLESS = frozenset({"CLIENT", "CONFIG", "DBSIZE", "INFO", "KEYS", "PING", "SCRIPT"})
