"""Memory of the server as Markdown."""

from typing import Final

from benchmarks.contenders.messages import MESSAGE_BYTES
from benchmarks.reports.markdown import facts, table
from benchmarks.studies.memory import KINDS, MESSAGES, THREADS, Footprints

_NOTE: Final = (
    f"{THREADS:,} threads of one user, then {MESSAGES} messages in each, of {MESSAGE_BYTES} bytes "
    "as JSON: how much `used_memory` grew."
)


def markdown(footprints: Footprints) -> str:
    """Write the tables of a run."""
    missing = [f"- not measured: {name}" for name in footprints.missing]
    parts = [
        "# Memory of the server",
        "\n".join([facts(footprints.setting), *missing]),
        _NOTE,
        table(["bytes", "per thread", "per message"], _growth(footprints)),
        "Of that, by `MEMORY USAGE`, bytes per message, by kind of key:",
        table(["", *KINDS], _by_kind(footprints)),
    ]
    return "\n\n".join(parts) + "\n"


def _growth(footprints: Footprints) -> list[list[str]]:
    return [
        [name, f"{each.thread:,.0f}", f"{each.message:,.0f}"]
        for name, each in footprints.footprints.items()
    ]


def _by_kind(footprints: Footprints) -> list[list[str]]:
    messages = THREADS * MESSAGES
    return [
        [name, *(f"{each.kinds[kind] / messages:,.1f}" for kind in KINDS)]
        for name, each in footprints.footprints.items()
    ]
