"""Lua scripts: each is a file of ``lua/``, preceded by the files that it includes.

A Lua file names the files that it needs, and what it uses of each, so that it can be read alone:
``--- @include "lib/time"   to_us, to_iso``. Includes are resolved when this module is imported.

Scripts of the domains are loaded when a store connects. Those of integrations are on demand: who
uses none of them pays for none.
"""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from redis_store._connections.commands import Script

_FOLDER = files("redis_store") / "_engine" / "lua"
_INCLUDE = re.compile(r'^--- @include "(.*?)"', re.MULTILINE)


def source(path: str, folder: Traversable = _FOLDER) -> str:
    """Return a Lua file preceded by all files that it includes, each once, in order of first need.

    Args:
        path: The file, without its suffix: ``lib/time``.
        folder: The folder that paths are relative to; a file that is not there is one of
            ``_engine/lua``.

    Raises:
        ImportError: A file is missing, or includes itself, directly or not.
    """
    parts: dict[str, str] = {}
    _collect(path, folder, parts, ())
    return "\n".join(parts.values())


def _collect(
    path: str, folder: Traversable, parts: dict[str, str], includers: tuple[str, ...]
) -> None:
    trail = " > ".join((*includers, path))
    if path in includers:
        raise ImportError(f"Lua files include each other: {trail}")
    if path in parts:
        return
    places = [place.joinpath(*f"{path}.lua".split("/")) for place in (folder, _FOLDER)]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise ImportError(f"no such Lua file: {trail}")
    text = file.read_text("utf-8")
    for included in _INCLUDE.findall(text):
        _collect(included, folder, parts, (*includers, path))
    parts[path] = _code(text)


def _code(text: str) -> str:
    """Leave out comments and blank lines: only code is sent to servers."""
    lines = (line for line in text.splitlines() if line.strip())
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


def of_integration(package: str, path: str, *, read_only: bool = False) -> Script:
    """Build a script of an integration, on demand: a file of the folder ``lua`` in its package.

    Args:
        package: The package: ``__package__``.
        path: The file, without its suffix. It may include files of ``_engine/lua``.
        read_only: Whether it never writes, so that a replica may run it.

    Raises:
        ImportError: See ``source``.
    """
    code = source(path, files(package) / "lua")
    return Script(code, read_only=read_only, on_demand=True)


COMMIT = Script(source("commit"))
KEEP_ALIVE = Script(source("keep_alive"))
PAGE = Script(source("page"), read_only=True)
INDEX_PAGE = Script(source("index_page"), read_only=True)
FIND = Script(source("find"), read_only=True)
CAS = Script(source("cas"))
DELETE_THREAD = Script(source("delete_thread"))
POP_MESSAGE = Script(source("pop_message"))
NOW = Script(source("now"))
RECOUNT = Script(source("recount"))
REWRITE = Script(source("rewrite"))
CACHE_PUSH = Script(source("cache_push"))
CACHE_INCREMENT = Script(source("cache_increment"))
CACHE_PUSH_INDEXED = Script(source("cache_push_indexed"))
CACHE_RAISE = Script(source("cache_raise"))
AROUND = Script(source("around"), read_only=True, on_demand=True)
CODES = Script(source("codes"), read_only=True, on_demand=True)
DROP_VECTORS = Script(source("drop_vectors"), on_demand=True)
LOG_READ = Script(source("log_read"), read_only=True, on_demand=True)
PUT_VECTORS = Script(source("put_vectors"), on_demand=True)
