"""The Lua scripts of checkpoints and items; each file says its KEYS, ARGV, reply and cost."""

from redis_store._engine.scripts import of_integration

_PACKAGE = "redis_store.integrations.langgraph"

GET = of_integration(_PACKAGE, "get", read_only=True)
LIST = of_integration(_PACKAGE, "list", read_only=True)
HISTORY = of_integration(_PACKAGE, "history", read_only=True)
OF_RUNS = of_integration(_PACKAGE, "of_runs", read_only=True)
DUMP = of_integration(_PACKAGE, "dump", read_only=True)
PUT = of_integration(_PACKAGE, "put")
PUT_WRITES = of_integration(_PACKAGE, "put_writes")
REMOVE = of_integration(_PACKAGE, "remove")
SWEEP = of_integration(_PACKAGE, "sweep")
DELETE = of_integration(_PACKAGE, "delete")
COPY = of_integration(_PACKAGE, "copy")
RESTORE = of_integration(_PACKAGE, "restore")
FORGET = of_integration(_PACKAGE, "forget")
GET_ITEM = of_integration(_PACKAGE, "get_item")
PUT_ITEM = of_integration(_PACKAGE, "put_item")
DELETE_ITEM = of_integration(_PACKAGE, "delete_item")
