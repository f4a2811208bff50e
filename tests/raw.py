"""A plain client, to look behind the store: RESP2 replies as they come, nothing interpreted."""

from types import TracebackType
from typing import Any, Self, cast

import redis.asyncio as aioredis

from redis_store.keys import Keys, escape_glob

_MARKER = Keys().marker()


class Raw:
    """Sends any command: ``await raw("GET", key)``."""

    def __init__(self, url: str) -> None:
        self._client: Any = cast("Any", aioredis.Redis).from_url(url, protocol=2)
        self._client.response_callbacks.clear()

    async def __call__(self, *command: object) -> Any:
        return await self._client.execute_command(*command)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def keys(self, prefix: str = "") -> list[str]:
        """Every key that starts with a prefix, sorted; the marker of complete indexes left out."""
        found: list[bytes] = await self("KEYS", f"{escape_glob(prefix)}*")
        return sorted(key for name in found if not (key := name.decode()).endswith(_MARKER))

    async def sorted_set(self, key: str) -> dict[str, int]:
        """Members of a sorted set with their scores, in order."""
        flat: list[bytes] = await self("ZRANGE", key, 0, -1, "WITHSCORES")
        scores = (int(float(score)) for score in flat[1::2])
        return dict(zip((member.decode() for member in flat[::2]), scores, strict=True))

    async def hash(self, key: str) -> dict[str, str]:
        """Fields of a hash."""
        flat: list[bytes] = await self("HGETALL", key)
        return {k.decode(): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)}

    async def commandstats(self) -> dict[str, int]:
        """How often each command was called since the server started, by lower-case name."""
        info: bytes = await self("INFO", "commandstats")
        lines = (line.split(":") for line in info.decode().splitlines() if ":" in line)
        return {
            name.removeprefix("cmdstat_").lower(): int(stats.split(",")[0].removeprefix("calls="))
            for name, stats in lines
        }
