"""Timestamps: conversions between datetimes, microseconds, ISO 8601 and times to live."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)


def epoch_us(moment: datetime) -> int:
    """Return the exact microseconds since 1970 of an aware datetime."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_epoch_us(us: int) -> datetime:
    """Return the UTC datetime of exact microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def iso(us: int) -> str:
    """Return microseconds since 1970 as ISO 8601 in UTC, with six digits of fraction."""
    return from_epoch_us(us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def later_than(before: datetime, now: datetime) -> datetime:
    """Return the current time, but at least one microsecond after ``before``."""
    return max(now, before + _MICROSECOND)


def to_us(duration: timedelta) -> int:
    """Return a duration in whole microseconds."""
    return duration // _MICROSECOND


def to_ms(duration: timedelta) -> int:
    """Return a duration in whole milliseconds, rounded up."""
    return -(-duration // MILLISECOND)
