"""The two ends of a commit's protocol: ``steps.py`` and ``lua/steps/``."""

import inspect
import re
from importlib.resources import files

import pytest

from redis_store._engine import steps
from redis_store._engine.steps import Body, Step

FOLDER = files("redis_store") / "_engine" / "lua" / "steps"
GROUPS = ("conditions", "values", "messages", "record", "logs")

_STEP = re.compile(r"((?:^--.*\n)+)function (?:conditions|writes)\.(\w+)\(", re.MULTILINE)

LUA: dict[str, str] = {
    name: header
    for group in GROUPS
    for header, name in _STEP.findall((FOLDER / f"{group}.lua").read_text("utf-8"))
}
BUILDERS = {
    name: builder
    for name, builder in vars(steps).items()
    if inspect.isfunction(builder)
    and builder.__module__ == steps.__name__
    and not name.startswith("_")
}


def test_every_step_has_one_builder_of_its_name_in_the_same_order() -> None:
    assert list(BUILDERS) == list(LUA)
    assert {file.name for file in FOLDER.iterdir()} == {
        "protocol.lua",
        *(f"{group}.lua" for group in GROUPS),
    }


@pytest.mark.parametrize("name", LUA)
def test_a_builder_is_documented_as_its_step_is(name: str) -> None:
    header = re.sub(r"^--", "", LUA[name], flags=re.MULTILINE)
    assert (BUILDERS[name].__doc__ or "").split() == header.split()
    assert "KEYS: " in header
    assert "ARGV: " in header


def test_every_step_is_a_function_with_a_header() -> None:
    sources = [(FOLDER / f"{group}.lua").read_text("utf-8") for group in GROUPS]
    defined = re.findall(r"(?:conditions|writes)\.(\w+)", "\n".join(sources))
    assert defined == list(LUA)


def test_a_step_says_how_many_it_takes() -> None:
    assert steps.is_zset(["a", "b"]) == Step("is_zset", ["a", "b"], [2])
    assert steps.is_hash([]) == Step("is_hash", [], [0])
    assert steps.declare_keys(["a"]) == Step("declare_keys", ["a"], [1])
    assert steps.expect_present(["a"]) == Step("expect_present", ["a"], [1])
    assert steps.delete(["a", "b"]) == Step("delete", ["a", "b"], [2])
    assert steps.unclaimed(["i", "j"], "t") == Step("unclaimed", ["i", "j"], [2, "t"])


def test_a_missing_string_is_expected_as_an_empty_one() -> None:
    assert steps.expect({"a": b"x", "b": None}) == Step("expect", ["a", "b"], [2, b"x", b""])


def test_a_digest_is_the_one_that_redis_computes() -> None:
    digest = "a9993e364706816aba3e25717850c26c9cd0d89d"  # of FIPS 180
    assert steps.expect_digest({"a": b"abc"}) == Step("expect_digest", ["a"], [1, digest])


def test_a_command_gives_its_key_and_counts_its_other_arguments() -> None:
    step = steps.command(("ZADD", "index", "XX", 1, "member"))
    assert step == Step("command", ["index"], ["ZADD", 3, "XX", 1, "member"])


def test_messages_are_put_by_date_and_counted_by_resource() -> None:
    bodies = [Body("b", 2, "r", b"B"), Body("c", 2, "s", b"C"), Body("a", 1, "r", b"A")]
    step = steps.put_messages("timeline", "counts", "prefix", bodies)
    assert step.keys == ["timeline", "counts"]
    head, ids, dates, texts, counts = (step.args[i : i + 3] for i in (0, 3, 6, 9, 12))
    assert head == ["prefix", 3, 2]
    assert (ids, dates, texts) == (["a", "b", "c"], [1, 2, 2], [b"A", b"B", b"C"])
    assert [*counts, *step.args[15:]] == ["r", 2, "s", 1]
