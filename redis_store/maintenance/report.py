"""What verification found."""

from collections import Counter
from typing import Literal

import msgspec

Problem = Literal[
    "corrupt record",  # a stored value that cannot be read; never mended
    "missing entry",  # a record that an index of its does not list, or with another score
    "stale entry",  # an index entry whose record is gone or belongs elsewhere
    "missing body",  # an entry of a thread's order without its message
    "orphan body",  # a message that its thread's order does not name, or whose thread is gone
    "wrong order",  # scores that do not rise along the dates
    "missing id index",  # a message whose id does not lead to its thread
    "stale id index",  # an id that leads to no message
    "wrong counts",  # counts of a thread's messages by resource
]

_SAMPLES = 1000


class Finding(msgspec.Struct, frozen=True):
    """One thing that was wrong: the key it was wrong at, and the member if it has several."""

    problem: Problem
    key: str
    member: str | None = None


class Report(msgspec.Struct):
    """What a verification looked at and found.

    Attributes:
        checked: How many keys of each kind were looked at.
        problems: How many of each problem were found.
        findings: The first 1,000 of them.
        repaired: How many were mended.
    """

    checked: Counter[str] = msgspec.field(default_factory=Counter[str])
    problems: Counter[str] = msgspec.field(default_factory=Counter[str])
    findings: list[Finding] = []
    repaired: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    def add(self, problem: Problem, key: str, member: str | None = None) -> None:
        """Note one finding."""
        self.problems[problem] += 1
        if len(self.findings) < _SAMPLES:
            self.findings.append(Finding(problem, key, member))
