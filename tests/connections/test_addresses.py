import re

import pytest

from redis_store import ConfigurationError, RedisStore
from redis_store._connections.addresses import Address, parse
from tests.support.inspection.secrets_shown import all_said


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


TLS_HINT = "TLS is asked for by the scheme: write {} instead of {}="
ONE_HOST = "takes one host: for a cluster write {0}+cluster://h1,h2, for sentinels {0}+sentinel://"
QUOTE = "quote the user name and the password, as by urllib.parse.quote(password, safe='')"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("redis://host?ssl=true", TLS_HINT.format("rediss://", "ssl")),
        ("redis://host?ssl=false", TLS_HINT.format("rediss://", "ssl")),
        ("redis://host?db=1&tls=1", TLS_HINT.format("rediss://", "tls")),
        ("redis://host?ssl_cert_reqs=none", TLS_HINT.format("rediss://", "ssl_cert_reqs")),
        ("rediss://host?ssl=false", TLS_HINT.format("rediss://", "ssl")),
        ("redis+cluster://host?ssl=true", TLS_HINT.format("rediss+cluster://", "ssl")),
        ("redis+sentinel://h/s?ssl=true", TLS_HINT.format("rediss+sentinel://", "ssl")),
        ("redis://h1,h2", "redis:// " + ONE_HOST.format("redis")),
        ("redis://u:hunter@h1:7000,h2:7001/0", "redis:// " + ONE_HOST.format("redis")),
        ("rediss://h1,h2", "rediss:// " + ONE_HOST.format("rediss")),
        ("embedded:memory", "followed by //, as in embedded:// or embedded:///dir"),
        ("embedded:/dir", "followed by //, as in embedded:// or embedded:///dir"),
        ("embedded:", "followed by //, as in embedded:// or embedded:///dir"),
        ("unix:/run/r.sock", "followed by //, as in unix:///path"),
        ("redis:host", "followed by //, as in redis://host"),
        ("redis+cluster:hunter@h", "followed by //, as in redis+cluster://host"),
        ("redis://:hun/ter@h", QUOTE),
        ("redis://:hun#ter@h:6379/0", QUOTE),
        ("redis://:hun?ter@h:6379/0", QUOTE),
        ("redis://:hun?ter=1@h", QUOTE),
        ("redis://:hun[ter@h", QUOTE),
        ("redis://:s@c/ret@h", QUOTE),
        ("redis://user:123/hunter@h", QUOTE),
        ("redis://user:123#hunter@h", QUOTE),
        ("redis://user:123?hunter@h", QUOTE),
        ("redis+sentinel://u:hun/ter@h/main", QUOTE),
        ("redis+cluster://u:hun/ter@h1,h2", QUOTE),
        ("redis://h:6379/0#hunter", "write %23"),
    ],
)
def test_what_would_mean_something_else_is_refused_with_a_hint(url: str, hint: str) -> None:
    """ST-01: how to write it; and no part of a password in the error."""
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(url)
    assert hint in str(caught.value)
    assert caught.value.code == "CONFIGURATION_INVALID_CONNECTION_STRING"
    said = all_said(caught.value).replace(__file__, "")
    assert not re.search("hun|ter@|123", said.replace(QUOTE, ""))


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("redis://:p%2Fa%23s%3Fs%5B%40@h", "p/a#s?s[@"),
        ("redis://u:p@ss@h", "p@ss"),
        ("redis://u:p:w,x@h", "p:w,x"),
        ("redis://h?client_name=a@b", None),
    ],
)
def test_a_password_that_is_quoted_as_far_as_it_must_be_is_taken(
    url: str, password: str | None
) -> None:
    assert parse(url).password == password
    assert parse(url).nodes == (("h", 6379),)


def test_a_path_may_hold_an_at_sign() -> None:
    assert parse("unix:///run/@r").path == "/run/@r"
    assert parse("embedded:///var/a@b").path == "/var/a@b"


def test_a_repr_shows_where_and_not_how() -> None:
    assert repr(parse("redis+sentinel://u:pw@a:1,b:2/main/4")) == "sentinel a:1,b:2/main db 4"
    assert repr(parse("embedded://")) == "embedded db 0"
