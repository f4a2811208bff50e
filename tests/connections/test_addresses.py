import pytest

from redis_store import ConfigurationError
from redis_store._connections.addresses import Address, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", Address(topology="standalone", nodes=(("h", 6379),))),
        ("redis://h:7/2", Address(topology="standalone", nodes=(("h", 7),), db=2)),
        ("redis://h?db=3", Address(topology="standalone", nodes=(("h", 6379),), db=3)),
        ("redis://[::1]:7", Address(topology="standalone", nodes=(("::1", 7),))),
        ("redis://[::1]", Address(topology="standalone", nodes=(("::1", 6379),))),
        ("rediss://h", Address(topology="standalone", nodes=(("h", 6379),), tls=True)),
        (
            "redis://u%40x:p%3Aw%2F@h",
            Address(topology="standalone", nodes=(("h", 6379),), username="u@x", password="p:w/"),
        ),
        ("redis://:pw@h", Address(topology="standalone", nodes=(("h", 6379),), password="pw")),
        ("unix:///run/r.sock", Address(topology="standalone", path="/run/r.sock")),
        ("unix:///run/r.sock?db=1", Address(topology="standalone", path="/run/r.sock", db=1)),
        (
            "redis+sentinel://a:1,b:2/main/4",
            Address(topology="sentinel", nodes=(("a", 1), ("b", 2)), service="main", db=4),
        ),
        (
            "rediss+sentinel://a/main",
            Address(topology="sentinel", nodes=(("a", 26379),), service="main", tls=True),
        ),
        (
            "redis+cluster://u:p@a:1,b",
            Address(topology="cluster", nodes=(("a", 1), ("b", 6379)), username="u", password="p"),
        ),
        ("rediss+cluster://a", Address(topology="cluster", nodes=(("a", 6379),), tls=True)),
        ("embedded://", Address(topology="embedded")),
        ("embedded:///var/lib/x%20y", Address(topology="embedded", path="/var/lib/x y")),
        (
            "redis://h?socket_timeout=2",
            Address(topology="standalone", nodes=(("h", 6379),), query=(("socket_timeout", "2"),)),
        ),
    ],
)
def test_a_connection_string_carries_the_topology(url: str, expected: Address) -> None:
    assert parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://h",
        "redis://",
        "redis://:pw@",
        "redis://h:port",
        "redis://h:0",
        "redis://h:70000",
        "redis://h/two",
        "redis://h/-1",
        "redis+sentinel://h:26379",
        "redis+cluster://h/1",
        "redis+cluster://a,,b",
        "unix://relative",
        "unix://",
        "embedded://relative/dir",
        "redis://[::1",
    ],
)
def test_a_wrong_connection_string_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="connection_string") as caught:
        parse(url)
    assert caught.value.code == "CONFIGURATION_INVALID_CONNECTION_STRING"


@pytest.mark.parametrize("url", ["redis://u:secret@[::1", "http://u:secret@h", "redis://u:secret@"])
def test_an_error_quotes_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(url)
    assert "secret" not in repr(caught.value) + str(caught.value.__cause__)
    assert "secret" not in str(caught.value.details)


def test_a_repr_shows_where_and_not_how() -> None:
    assert repr(parse("redis+sentinel://u:pw@a:1,b:2/main/4")) == "sentinel a:1,b:2/main db 4"
    assert repr(parse("embedded://")) == "embedded db 0"
