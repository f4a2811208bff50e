"""Lua files: each names what it needs, and a script is a file behind all that it includes."""

import re
import shutil
from importlib import util
from importlib.resources import files
from pathlib import Path

import pytest

from redis_store._connections.commands import Script, is_read
from redis_store._engine import scripts
from redis_store._engine.scripts import source

LUA = Path(str(files("redis_store") / "_engine" / "lua"))
PATHS = sorted(str(file.relative_to(LUA).with_suffix("")) for file in LUA.rglob("*.lua"))

SCRIPTS = [path for path in PATHS if "/" not in path]

_INCLUDE = re.compile(r'^--- @include "(.+?)" +(.+)$', re.MULTILINE)
# What Lua itself gives a script, and what Redis does.
_GIVEN = re.compile(
    r"KEYS|ARGV|redis|cjson|struct|string|table|math|unpack|pcall|i?pairs|tonumber|_"
)
_KEYWORDS = re.compile(
    "and|break|do|else|elseif|end|false|for|function|if|in|local|nil|not|or|repeat|return|then|true"
    "|until|while"
)


def _text(path: str) -> str:
    return (LUA / f"{path}.lua").read_text("utf-8")


def _code(path: str) -> str:
    """A file without comments and the insides of strings."""
    return re.sub(r"'(\\.|[^'\\\n])*'|--.*", "", _text(path))


def _names(path: str) -> set[str]:
    """What a file uses, but for fields: `first` in `run.first` and in `{first = 1}`."""
    code = re.sub(r"[{,] ?\w+ = ", "{", "".join(re.split(r"(?<!\.)\.(?!\.)\w+", _code(path))))
    words = re.findall(r"[A-Za-z_]\w*", code)
    return {word for word in words if not _KEYWORDS.fullmatch(word) and not _GIVEN.fullmatch(word)}


def _own(path: str) -> set[str]:
    """What a file defines, wherever in it."""
    code = _code(path)
    lists = re.findall(r"\blocal (?!function)([\w, ]+)", code)
    lists += re.findall(r"\bfor ([\w, ]+?) (?:=|in)", code)
    lists += re.findall(r"function ?\w*\(([\w, ]*)\)", code)
    return {*re.findall(r"\w+", " ".join(lists)), *re.findall(r"local function (\w+)", code)}


def _offers(path: str) -> set[str]:
    """What a file defines for others: locals at its top, and steps."""
    code = _code(path)
    lists = re.findall(r"^local (?!function)([\w, ]+)", code, re.MULTILINE)
    functions = re.findall(r"^(?:local )?function (?:\w+\.)?(\w+)", code, re.MULTILINE)
    return {*re.findall(r"\w+", " ".join(lists)), *functions}


def _included(path: str) -> dict[str, set[str]]:
    """The names that a file includes, by file."""
    found: dict[str, set[str]] = {}
    for included, names in _INCLUDE.findall(_text(path)):
        found.setdefault(included, set()).update(names.split(", "))
    return found


@pytest.mark.parametrize("path", PATHS)
def test_a_file_includes_the_names_that_it_uses_and_no_others(path: str) -> None:
    assert _text(path).count("@include") == len(_INCLUDE.findall(_text(path)))
    included = _included(path)
    for other, names in included.items():
        assert names <= _offers(other)
    # Commit includes the steps, and runs them by the names in ARGV.
    steps = set(re.findall(r"^function \w+\.(\w+)", source("commit"), re.MULTILINE))
    run = steps if path == "commit" else set[str]()
    assert set[str]().union(*included.values()) == (_names(path) - _own(path)) | run


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_script_says_what_it_takes_and_returns(path: str) -> None:
    header = "".join(line for line in _text(path).splitlines() if line.startswith("-- "))
    assert re.search(r"Cost: .*KEYS: .+ARGV: .+Returns ", header)


def test_every_file_belongs_to_a_script() -> None:
    sources = {s.source for s in vars(scripts).values() if isinstance(s, Script)}
    assert sources == {source(path) for path in SCRIPTS}
    included = [other for path in PATHS for other in _included(path)]
    assert {*PATHS} == {*SCRIPTS, *included}


def _folder(root: Path, **sources: str) -> Path:
    for name, text in sources.items():
        root.joinpath(f"{name}.lua").write_text(text, "utf-8")
    return root


def test_each_file_is_included_once_in_the_order_of_first_need(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        a='--- @include "c"   C\n--- @include "b"   B\n-- Not for a server.\n\nreturn B + C\n',
        b='--- @include "d"   D\n--- @include "c"   C\nlocal B = C + D\n',
        c="local C = 1\n",
        d="  -- Nor this.\nlocal D = 2 -- but this is\n",
    )
    expected = "local C = 1\nlocal D = 2 -- but this is\nlocal B = C + D\nreturn B + C"
    assert source("a", folder) == expected


def test_a_script_of_an_integration_is_on_demand_and_may_include_the_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lua").mkdir()
    _folder(
        tmp_path / "lua",
        a='--- @include "lib/chunks"   in_chunks\n--- @include "b"   B\nreturn in_chunks(B)\n',
        b="local B = {}\n",
    )
    monkeypatch.setattr(scripts, "files", {"toys": tmp_path}.__getitem__)
    monkeypatch.setattr("redis_store._connections.commands.SCRIPTS", {})
    script = scripts.of_integration("toys", "a", read_only=True)
    assert script.on_demand
    assert script.source == f"{source('lib/chunks')}\nlocal B = {{}}\nreturn in_chunks(B)"
    assert is_read(script.call([], []))


def test_a_circle_of_includes_is_refused(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        a='--- @include "b"   B\n',
        b='--- @include "c"   C\n',
        c='--- @include "b"   B\n',
    )
    with pytest.raises(ImportError, match="a > b > c > b"):
        source("a", folder)


@pytest.mark.parametrize("line", ['--- @include "lib/none"   none', '--- @include "cas"   none'])
def test_a_bad_include_fails_the_import(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(LUA, tmp_path / "_engine" / "lua")
    with (copy / "cas.lua").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    monkeypatch.setattr("importlib.resources.files", {"redis_store": tmp_path}.__getitem__)
    spec = util.find_spec(scripts.__name__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ImportError, match=r"cas > (lib/none|cas)"):
        spec.loader.exec_module(util.module_from_spec(spec))
