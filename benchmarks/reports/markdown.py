"""Parts of reports in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; all columns but the first are aligned right."""
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts(named: Mapping[str, Any]) -> str:
    """Write facts as a list."""
    return "\n".join(f"- {name}: {value}" for name, value in named.items())


def figure(value: float) -> str:
    """Write three significant digits, from 100 on all digits before the point."""
    if value >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004
