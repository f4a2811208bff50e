"""Which part of a listing a page is."""

from typing import Any

from redis_store import Page


def bounds(page: int, per_page: int | None, total: int) -> tuple[int, int]:
    if per_page is None:
        return 0, total
    return min(page * per_page, total), min((page + 1) * per_page, total)


def cut(found: list[Any], page: int, per_page: int | None) -> Page[Any]:
    """The page of all that was found."""
    first, end = bounds(page, per_page, len(found))
    return Page(
        items=found[first:end],
        total=len(found),
        page=page,
        per_page=per_page,
        has_more=end < len(found),
    )
