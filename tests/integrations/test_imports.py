"""Who uses no integration pays for none, and a missing framework says what to install."""

import subprocess
import sys

import pytest

from redis_store.integrations._extras import requires


def test_the_store_imports_no_integration() -> None:
    code = "import sys, redis_store; print(*(n for n in sys.modules if 'integrations' in n))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["redis_store.maintenance.integrations"]


def test_structural_adapters_import_no_framework() -> None:
    modules = "redis_store.integrations.strands, redis_store.integrations.openai_agents"
    code = f"import sys, {modules}; print(*({{'strands', 'agents'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def _import(module: str, *names: str) -> None:
    statement = f"from {module} import {', '.join(names)}" if names else f"import {module}"
    with requires("toys"):
        exec(statement, {})  # noqa: S102 - an import that type checkers do not see


def test_a_missing_framework_names_its_extra() -> None:
    with pytest.raises(ImportError, match=r"no_such_framework.*'redis-store\[toys\]'") as caught:
        _import("no_such_framework")
    assert caught.value.name == "no_such_framework"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_framework_that_lacks_a_name_names_its_extra() -> None:
    with pytest.raises(ImportError, match=r"no_such_name.*'redis-store\[toys\]'"):
        _import("json", "no_such_name")


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), requires("toys"):
        _ = 1 / 0
