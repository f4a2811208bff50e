"""SVG shapes on a white background, legible on a dark page too."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

# Distinguishable with a colour vision deficiency, too.
COLOURS: Final = {
    "library": "#0b5fa5",
    "floor": "#8a8a8a",
    "stock": "#e08a00",
    "@mastra/redis": "#c0392b",
}
FURTHER: Final = ("#1b8a5a", "#8e44ad", "#7a4a12", "#17a2b8", "#d6338a", "#6b7a00", "#333333")
INK: Final = "#1f2328"
FAINT: Final = "#d8dee4"
_CHARACTER: Final = 6.6  # average width in pixels at the font size used


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name; the frequent ones always have the same."""
    further = iter(FURTHER * len(names))
    return {name: COLOURS.get(name) or next(further) for name in names}


def width(text: str) -> float:
    """Estimate the width of a text in pixels."""
    return len(text) * _CHARACTER


class Drawing:
    """Shapes, in the order in which they are drawn."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        colour: str = INK,
        bold: bool = False,
    ) -> None:
        """Draw text; the point is the start, middle or end of its baseline."""
        weight = " font-weight='600'" if bold else ""
        place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}'"
        self._parts.append(f"<text {place}{weight}>{escape(text)}</text>")

    def line(
        self, points: Sequence[tuple[float, float]], colour: str = FAINT, stroke: float = 1
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        look = f"fill='none' stroke='{colour}' stroke-width='{stroke:g}'"
        self._parts.append(f"<polyline points='{path}' {look}/>")

    def dot(
        self, x: float, y: float, colour: str, *, radius: float = 4, filled: bool = True
    ) -> None:
        """Draw a dot, or a ring."""
        look = f"fill='{colour if filled else 'white'}' stroke='{colour}' stroke-width='1.5'"
        self._parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:g}' {look}/>")

    def svg(self, wide: float, high: float) -> str:
        """Return the SVG document."""
        size = f"width='{wide:.0f}' height='{high:.0f}' viewBox='0 0 {wide:.0f} {high:.0f}'"
        font = "font-family='system-ui, sans-serif' font-size='12'"
        ground = "<rect width='100%' height='100%' rx='6' fill='white'/>"
        body = "\n".join([ground, *self._parts])
        return f"<svg xmlns='http://www.w3.org/2000/svg' {size} {font}>\n{body}\n</svg>\n"


def duration(seconds: float) -> str:
    """Format a power of ten seconds as s, ms or µs."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.999:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1e6:,.3g} µs"
