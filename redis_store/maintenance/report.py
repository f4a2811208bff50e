"""Report: the findings of a verification."""

from collections import Counter
from typing import Literal

import msgspec

Problem = Literal[
    "corrupt record",  # a stored value that cannot be decoded; never repaired
    "missing entry",  # a record that one of its indexes does not list, or lists with another score
    "stale entry",  # an index entry whose record is gone or does not belong there
    "missing body",  # a timeline entry without its message
    "orphan body",  # a message that is not in its thread's timeline, or whose thread is gone
    "wrong order",  # scores that do not rise with the dates
    "missing id index",  # a message whose pointer is missing or names another thread
    "stale id index",  # a pointer without its message
    "wrong counts",  # wrong counts of a thread's messages by resource
]

_SAMPLES = 1000


class Finding(msgspec.Struct, frozen=True):
    """One problem, with its key, and the member if the key has several."""

    problem: Problem
    key: str
    member: str | None = None


class Report(msgspec.Struct):
    """The result of a verification.

    Attributes:
        checked: How many keys of each kind were checked.
        problems: How many problems of each kind were found.
        findings: The first 1,000 problems.
        repaired: How many problems were repaired.
    """

    checked: Counter[str] = msgspec.field(default_factory=Counter[str])
    problems: Counter[str] = msgspec.field(default_factory=Counter[str])
    findings: list[Finding] = []
    repaired: int = 0

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def add(self, problem: Problem, key: str, member: str | None = None) -> None:
        """Add one finding."""
        self.problems[problem] += 1
        if len(self.findings) < _SAMPLES:
            self.findings.append(Finding(problem, key, member))
