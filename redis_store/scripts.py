"""The server-side scripts: each is one Lua file plus the files it builds on, loaded once."""

from hashlib import sha1
from importlib.resources import files

from redis_store.client import Argument, Command


class Script:
    """A Lua script, run by its SHA-1 digest and sent whole only to a server that lacks it."""

    def __init__(self, *names: str) -> None:
        folder = files("redis_store") / "lua"
        self.source = "\n".join((folder / f"{name}.lua").read_text("utf-8") for name in names)
        # Redis names scripts by SHA-1; nothing here depends on its strength.
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: list[str], args: list[Argument]) -> Command:
        """Build the command that runs the script where it is loaded."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)

    def full_call(self, command: Command) -> Command:
        """Turn ``call``'s command into one that carries the source."""
        return ("EVAL", self.source, *command[2:])


COMMIT = Script(
    *("json", "fields", "time", "order", "insert", "lifetime", "owners"),
    *("cursor", "checks", "writes", "values", "thread", "record", "commit"),
)
KEEP_ALIVE = Script("lifetime", "keep_alive")
PAGE = Script("json", "fields", "time", "order", "range", "page")
FIND = Script("find")
CAS = Script("cas")
RECOUNT = Script("json", "fields", "recount")
REWRITE = Script("rewrite")
CACHE_PUSH = Script("cache_push")
CACHE_INCREMENT = Script("cache_increment")
CACHE_PUSH_INDEXED = Script("cache_push_indexed")
CACHE_RAISE = Script("cache_raise")

_ALL = (
    *(COMMIT, PAGE, FIND, KEEP_ALIVE, CAS, RECOUNT, REWRITE),
    *(CACHE_PUSH, CACHE_INCREMENT, CACHE_PUSH_INDEXED, CACHE_RAISE),
)
BY_SHA = {script.sha: script for script in _ALL}

# Commands and scripts that change nothing; a script by its digest or by its source.
_READS = frozenset(
    {"EXISTS", "GET", "HGETALL", "HKEYS", "HLEN", "HMGET", "INFO", "LLEN", "LRANGE", "MGET", "PING"}
    | {"PTTL", "SCAN", "STRLEN", "TYPE", "ZCARD", "ZMSCORE", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE"}
    | {"ZSCAN", "ZSCORE", "CLUSTER", "DBSIZE", "HEXISTS", "HVALS", "SCRIPT"}
)
_READING_SCRIPTS = frozenset({PAGE.sha, PAGE.source, FIND.sha, FIND.source})


def is_read(command: Command) -> bool:
    """Whether a command changes nothing, so that any replica may answer it."""
    return command[0] in _READS or (
        command[0] in ("EVALSHA", "EVAL") and command[1] in _READING_SCRIPTS
    )
