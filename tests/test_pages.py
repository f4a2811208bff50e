import pytest

from redis_store import Message, Page
from redis_store._engine.arguments import check_metadata, check_paging
from redis_store.json_values import has_fields


def test_a_page_has_a_length_and_iterates_over_its_items() -> None:
    page = Page(items=["a", "b"], total=2, page=0, per_page=None, has_more=False)
    assert len(page) == 2
    assert list(page) == ["a", "b"]


@pytest.mark.parametrize(
    ("page", "per_page", "items", "more"),
    [
        (0, None, "abcde", False),
        (0, 2, "ab", True),
        (1, 2, "cd", True),
        (2, 2, "e", False),
        (3, 2, "", False),
        (0, 5, "abcde", False),
        (0, 0, "", True),
    ],
)
def test_a_page_is_cut_from_the_whole(
    page: int, per_page: int | None, items: str, *, more: bool
) -> None:
    """PAGE-02, PAGE-03: items, the real total, has_more."""
    cut = check_paging(page, per_page).cut(list("abcde"))
    assert (cut.items, cut.total, cut.has_more) == (list(items), 5, more)


def test_an_empty_listing_has_no_more() -> None:
    assert not check_paging(0, 0).cut([]).has_more


def test_no_filter_matches_everything() -> None:
    assert check_metadata(None) == {}
    assert has_fields(None, {})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (
            {
                "parts": [
                    {"type": "text", "text": "a"},
                    {"type": "x"},
                    {"type": "text", "text": "b"},
                ]
            },
            "ab",
        ),
        ({"content": "old"}, "old"),
        ({"parts": [1, {"type": "text", "text": 2}]}, ""),
        ([1], ""),
        (None, ""),
    ],
)
def test_the_text_of_a_message_joins_its_text_parts(content: object, text: str) -> None:
    sent = Message(thread_id="t", resource_id="u", role="user", content=content)
    assert sent.text == text
