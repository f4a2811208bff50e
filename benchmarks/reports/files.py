"""The files of a run, in ``benchmarks/results/``, which git ignores."""

from pathlib import Path
from typing import Any, Final

import msgspec

DIRECTORY: Final = Path(__file__).parents[1] / "results"


def write(name: str, results: Any, texts: dict[str, str]) -> None:
    """Write ``{name}.json`` and texts by file name."""
    DIRECTORY.mkdir(exist_ok=True)
    json = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (DIRECTORY / f"{name}.json").write_bytes(json)
    for file, text in texts.items():
        (DIRECTORY / file).write_text(text)
