"""Which tests the quick matrix leaves to the full one.

A test that is no contract runs once: on one event loop, in one key layout, on a client of its own
or a borrowed one, with one seed. Its name chooses which, so over all tests each has its share.
"""

from collections import defaultdict
from zlib import crc32

import pytest

# Arguments whose values vary how a test runs, and not what it shows.
_WAYS = frozenset({"anyio_backend", "layout", "owned", "owner", "seed", "variant"})


def split(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run, in their order, and those that are left out."""
    alike: dict[object, list[pytest.Item]] = defaultdict(list)
    for item in items:
        alike[_what_it_shows(item)].append(item)
    chosen = {_one_of(tests) for tests in alike.values()}
    run = [item for item in items if item.nodeid in chosen]
    return run, [item for item in items if item.nodeid not in chosen]


def _what_it_shows(item: pytest.Item) -> object:
    indices: dict[str, int] = getattr(getattr(item, "callspec", None), "indices", {})
    if "contract" in item.path.parts or _WAYS.isdisjoint(indices):
        return item.nodeid
    name = item.nodeid.partition("[")[0]
    return name, *((key, at) for key, at in sorted(indices.items()) if key not in _WAYS)


def _one_of(tests: list[pytest.Item]) -> str:
    names = sorted(test.nodeid for test in tests)
    # The same in every process: Python's hash of a text is not.
    return names[crc32(names[0].encode()) % len(names)]
