"""Keys of integrations are injective for any ids, and keep a group in one slot."""

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from redis_store import InvalidArgumentError
from redis_store._engine.integration_keys import IntegrationKeys, check_field, join, split
from redis_store._engine.keys import Keys

layouts = pytest.mark.parametrize("hash_tags", [False, True])
texts = st.text(st.sampled_from("a1:{}%\0é*") | st.characters(exclude_categories=["Cs"]))
parts = st.lists(texts, min_size=1, max_size=4)


@given(parts=parts)
@settings(max_examples=300, deadline=None, print_blob=True)
def test_parts_come_back_from_the_text_that_joins_them(parts: list[str]) -> None:
    assert split(join(parts)) == tuple(parts)


@pytest.mark.parametrize("text", ["a", ":", "x:a", "1a"])
def test_a_text_that_joins_no_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        split(text)


@layouts
def test_different_parts_give_different_keys(*, hash_tags: bool) -> None:
    keys = IntegrationKeys(Keys("p:", hash_tags=hash_tags), "x")
    alphabet = ["", "a", "1", ":", "1:", "{", "}", "}{", "1:a", "a1:"]
    pairs = list(product(alphabet, repeat=2))
    spelled = {
        *(keys.key("pair", *pair) for pair in pairs),
        *(keys.key("within", first, within=[second]) for first, second in pairs),
        *(keys.key("one", each) for each in alphabet),
        *(keys.index("by", *pair) for pair in pairs),
    }
    assert len(spelled) == 3 * len(pairs) + len(alphabet)


@layouts
@given(parts=parts)
@example(parts=["}", "{"])
@settings(max_examples=300, deadline=None, print_blob=True)
def test_a_key_tells_its_parts(parts: list[str], *, hash_tags: bool) -> None:
    keys = IntegrationKeys(Keys("p:", hash_tags=hash_tags), "x")
    assert keys.group("k", keys.key("k", *parts)) == tuple(parts)
    assert keys.group("k", keys.index("k", *parts)) == tuple(parts)


@given(parts=parts, within=parts)
@example(parts=["}"], within=["{x}"])
@settings(max_examples=300, deadline=None, print_blob=True)
def test_a_group_is_in_one_slot(parts: list[str], within: list[str]) -> None:
    keys = IntegrationKeys(Keys("p:", hash_tags=True), "x")
    spelled = [keys.key("a", *parts), keys.key("b", *parts), keys.key("c", *parts, within=within)]
    assert len({key_slot(key.encode()) for key in spelled}) == 1


@pytest.mark.parametrize(("hash_tags", "tagged"), [(False, "5:alice0:"), (True, "{5:alice0:}")])
def test_a_key_reads_literally(*, hash_tags: bool, tagged: str) -> None:
    keys = IntegrationKeys(Keys("p*:", hash_tags=hash_tags), "google_adk")
    start = "p*:redis_store:integrations:google_adk:"
    assert keys.key("events", "alice", "") == f"{start}events:{tagged}"
    assert keys.key("events", "alice", "", within=["é"]) == f"{start}events:{tagged}1:é"
    assert keys.index("by_user", "alice") == f"{start}by_user:5:alice"
    escaped = r"p\*:redis_store:integrations:google_adk"
    assert keys.pattern("events") == f"{escaped}:events:*"


def test_a_field_that_nul_separates_has_none() -> None:
    assert check_field("name", "a:\n") == "a:\n"
    with pytest.raises(InvalidArgumentError, match="NUL"):
        check_field("name", "a\0b")
