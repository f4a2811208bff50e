"""Reports: the findings of a verification, and what an erasure removed."""

from collections import Counter
from collections.abc import Callable
from typing import Literal

import msgspec

from redis_store._connections.commands import encoded
from redis_store.errors import CorruptRecordError

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


class Progress(msgspec.Struct, frozen=True):
    """Progress of a maintenance call: how many keys of one kind are done."""

    kind: str
    done: int


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
            shown = None if member is None else encoded(member).decode(errors="backslashreplace")
            self.findings.append(Finding(problem, key, shown))


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """The records that one run of an erasure removed.

    Attributes:
        threads: The resource's threads.
        messages: The messages of these threads, and its own in other threads.
        runs: Its workflow runs.
        scores: Its scores.
        resources: 1 if it had working memory or metadata.
        integrations: Records by integration. Those of one that was not imported stay.
        unreadable: The keys of corrupt records that may be its own; they stay. The first 1,000.
    """

    threads: int = 0
    messages: int = 0
    runs: int = 0
    scores: int = 0
    resources: int = 0
    integrations: dict[str, int] = {}
    unreadable: list[str] = []


class ErasureTally:
    """Counts what an erasure removes, and reports its progress."""

    def __init__(self, progress: Callable[[Progress], object] | None) -> None:
        self._progress = progress
        self._erased: Counter[str] = Counter()
        self._unreadable: dict[str, None] = {}

    def add(self, kind: str, erased: int) -> None:
        """Count removed records of a kind, or of an integration, at the end of a batch."""
        self._erased[kind] += erased
        if self._progress is not None:
            self._progress(Progress(kind, self._erased[kind]))

    def note_corrupt(self, error: CorruptRecordError) -> None:
        """Note a record that cannot be read, so that nobody knows whose it is."""
        if len(self._unreadable) < _SAMPLES:
            self._unreadable[error.key] = None

    def result(self) -> Erased:
        """Return what was removed."""
        kinds = {kind: n for kind, n in self._erased.items() if kind in Erased.__struct_fields__}
        integrations = {name: n for name, n in self._erased.items() if n and name not in kinds}
        return Erased(**kinds, integrations=integrations, unreadable=[*self._unreadable])
