"""The server-side scripts: each is one Lua file plus the files it builds on, loaded once."""

from importlib.resources import files

from redis_store._connections.commands import Script


def script(*names: str, read_only: bool = False) -> Script:
    """Read a script: one Lua file behind the files that it builds on."""
    folder = files("redis_store") / "_engine" / "lua"
    sources = [(folder / f"{name}.lua").read_text("utf-8") for name in names]
    return Script("\n".join(sources), read_only=read_only)


COMMIT = script(
    *("json", "fields", "time", "order", "insert", "lifetime", "owners"),
    *("cursor", "checks", "writes", "values", "thread", "record", "commit"),
)
KEEP_ALIVE = script("lifetime", "keep_alive")
PAGE = script("json", "fields", "time", "order", "range", "page", read_only=True)
FIND = script("find", read_only=True)
CAS = script("cas")
RECOUNT = script("json", "fields", "recount")
REWRITE = script("rewrite")
CACHE_PUSH = script("cache_push")
CACHE_INCREMENT = script("cache_increment")
CACHE_PUSH_INDEXED = script("cache_push_indexed")
CACHE_RAISE = script("cache_raise")
