"""Writes ``redis_store/sync.pyi``: signatures of blocking calls, from the asynchronous ones.

usage: python -m tests.support.sync_stub
"""

import ast
import builtins
import inspect
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path

import redis_store
from redis_store import CacheStore, MemoryStore, RedisStore, ScoreStore, WorkflowStore

STUB = Path(redis_store.__file__).parent / "sync.pyi"
ROOT = STUB.parents[1]

# What a blocking store has in another form, or not at all.
_OWN = {
    *("sync", "get_client", "get_store", "from_url", "close"),
    *("memory", "workflows", "scores", "cache"),
}
_OWN_CALLS = """
    id: str
    indexes: Literal["managed", "scan"]
    memory: SyncMemoryStore
    workflows: SyncWorkflowStore
    scores: SyncScoreStore
    cache: SyncCacheStore
    def __init__(self, store: RedisStore) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...
    @overload
    def get_store(self, name: Literal["memory"]) -> SyncMemoryStore: ...
    @overload
    def get_store(self, name: Literal["workflows"]) -> SyncWorkflowStore: ...
    @overload
    def get_store(self, name: Literal["scores"]) -> SyncScoreStore: ...
    @overload
    def get_store(self, name: Literal["cache"]) -> SyncCacheStore: ...
    @overload
    def get_store(self, name: str) -> SyncDomain | None: ...
    def close(self) -> None: ...
"""


class Stub:
    """Collects classes, and the imports that their annotations need."""

    def __init__(self) -> None:
        self._imports = {
            "typing": {"Literal", "Self", "TypeAlias", "overload"},
            "redis_store": {"RedisStore"},
        }
        self._classes: list[str] = []

    def add(self, asynchronous: type, own_calls: str = "") -> None:
        """Add the blocking twin of a class."""
        calls = [prefix + self._blocking(method) for prefix, method in _methods(asynchronous)]
        body = textwrap.indent("\n".join(calls), "    ")
        self._classes.append(f"class Sync{asynchronous.__name__}:{own_calls}\n{body}\n")

    def source(self) -> str:
        """Return the stub, formatted."""
        imports = [f"from {m} import {', '.join(sorted(n))}" for m, n in self._imports.items()]
        domains = "SyncMemoryStore | SyncWorkflowStore | SyncScoreStore | SyncCacheStore"
        head = "# Written by tests/support/sync_stub.py: change that, or the classes it reads.\n"
        parts = [head, *imports, *self._classes, f"SyncDomain: TypeAlias = {domains}"]
        text = "\n".join(parts)
        for command in (["check", "--fix-only", "--select", "I,F401"], ["format"]):
            ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(STUB), "-"]
            done = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True)
            text = done.stdout
        return text

    def _blocking(self, method: types.FunctionType) -> str:
        function = inspect.unwrap(method)
        node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        arguments = node.args
        for argument in (*arguments.args, *arguments.kwonlyargs, arguments.kwarg):
            if argument is not None and argument.annotation is not None:
                self._need(argument.annotation, function)
        returns = node.returns
        assert returns is not None
        self._need(returns, function)
        result = ast.unparse(returns).replace("AsyncIterator[", "Iterator[")
        if result.startswith("Iterator["):
            self._imports.setdefault("collections.abc", set()).add("Iterator")
        # A default is of no interest to a type checker, and may name what only its module has.
        arguments.defaults[:] = [ast.Constant(...) for _ in arguments.defaults]
        arguments.kw_defaults[:] = [each and ast.Constant(...) for each in arguments.kw_defaults]
        return f"def {node.name}({ast.unparse(arguments)}) -> {result}: ..."

    def _need(self, annotation: ast.expr, function: types.FunctionType) -> None:
        """Import the names of an annotation from where they are defined."""
        for name in {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)}:
            if not hasattr(builtins, name):
                self._imports.setdefault(_home(name, function), set()).add(name)


def _methods(asynchronous: type) -> Iterator[tuple[str, types.FunctionType]]:
    """Yield the public methods, and the getters of properties behind their decorator."""
    for name in dict.fromkeys(name for cls in asynchronous.__mro__ for name in vars(cls)):
        method = inspect.getattr_static(asynchronous, name)
        if name.startswith("_") or name in _OWN:
            continue
        if isinstance(method, property) and isinstance(method.fget, types.FunctionType):
            yield "@property\n", method.fget
        elif isinstance(method, types.FunctionType):
            yield "", method


def _home(name: str, function: types.FunctionType) -> str:
    """Return the module that a name of an annotation is imported from."""
    tree = ast.parse(Path(inspect.getfile(function)).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            assert node.module is not None
            return node.module
    return function.__module__


def stub() -> str:
    """Return what ``redis_store/sync.pyi`` should hold."""
    text = Stub()
    for domain in (MemoryStore, WorkflowStore, ScoreStore, CacheStore):
        text.add(domain)
    text.add(RedisStore, _OWN_CALLS)
    return text.source()


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
