"""The environment of a run, as reports state it."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis_store import RedisStore


def describe() -> dict[str, Any]:
    """Describe the machine and its load, by name."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "cpu": _cpu_name(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


async def server_version(store: RedisStore) -> str:
    """Return the name and version of a store's server."""
    client: Any = store.get_client()
    info = await client.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"
