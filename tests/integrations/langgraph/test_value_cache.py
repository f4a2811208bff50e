"""What a process remembers of values: bounded, and the latest."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("langgraph.checkpoint.base", reason="needs redis-store[langgraph]")

from redis_store.integrations.langgraph.deltas import MIN_BYTES, Value
from redis_store.integrations.langgraph.value_cache import ValueCache


def value(name: str, size: int = MIN_BYTES) -> Value:
    return Value(name, b"x" * size)


def test_the_least_recently_used_namespace_goes_first() -> None:
    cache = ValueCache(3 * MIN_BYTES)
    for thread in "abc":
        cache.put((thread, ""), [("m", value(thread))])
    assert cache.get(("a", "")) == {"m": value("a")}
    cache.put(("d", ""), [("m", value("d"))])
    assert [bool(cache.get((thread, ""))) for thread in "abcd"] == [True, False, True, True]


def test_a_value_takes_the_place_of_the_one_before() -> None:
    cache = ValueCache(3 * MIN_BYTES)
    for at in range(10):
        cache.put(("t", ""), [("m", value(str(at))), ("n", value(str(at)))])
    assert cache.get(("t", "")) == {"m": value("9"), "n": value("9")}


def test_small_values_and_too_large_ones_are_not_kept() -> None:
    cache = ValueCache(3 * MIN_BYTES)
    cache.put(("t", ""), [("m", value("m", MIN_BYTES - 1))])
    assert cache.get(("t", "")) == {}
    cache.put(("t", ""), [("m", value("m", 4 * MIN_BYTES))])
    assert cache.get(("t", "")) == {}
    cache.put(("u", ""), [("m", value("m"))])
    assert cache.get(("u", "")) == {"m": value("m")}


def test_a_thread_is_forgotten_in_all_namespaces() -> None:
    cache = ValueCache(4 * MIN_BYTES)
    for namespace in ("", "sub"):
        cache.put(("t", namespace), [("m", value("m"))])
    cache.put(("u", ""), [("m", value("m"))])
    cache.forget_thread("t")
    assert cache.get(("t", "")) == cache.get(("t", "sub")) == {}
    for thread in "abc":
        cache.put((thread, ""), [("m", value("m"))])
    assert cache.get(("u", "")) == {"m": value("m")}


def test_threads_share_a_cache() -> None:
    cache = ValueCache(20 * MIN_BYTES)

    def use(thread: int) -> None:
        for at in range(500):
            cache.put((str(at % 7), ""), [(str(thread), value(str(at), MIN_BYTES + at))])
            cache.get((str(at % 5), ""))
            if not at % 50:
                cache.forget_thread(str(thread))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    held = sum(len(v.data) for at in range(7) for v in cache.get((str(at), "")).values())
    assert held <= 20 * MIN_BYTES


def test_a_forked_child_begins_with_an_empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever held the lock in the parent."""
    cache = ValueCache(20 * MIN_BYTES)
    cache.put(("t", ""), [("m", value("m"))])
    with cache._lock:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert cache.get(("t", "")) == {}
    cache.put(("t", ""), [("m", value("n"))])
    assert cache.get(("t", "")) == {"m": value("n")}
