"""All that an error, a log and a store show, to look for secrets in it."""

import logging
import traceback
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import pytest

from redis_store import BackendError, RedisStore


def all_said(error: BaseException | None) -> str:
    """All that an error and its causes show, the tracebacks included."""
    said = ""
    while error is not None:
        said += f"{error} {error!r} {error.args} {error.__dict__}"
        said += "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__
    return said


def check_secrets(said: str, secrets: Iterable[str]) -> None:
    """Assert that no secret is in it, as it is or in a form that URLs and reprs have."""
    for secret in secrets:
        forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
        forms |= {repr(secret)[1:-1], repr(secret.encode())[2:-1]}
        assert not [form for form in forms if form in said]


async def refused(
    caplog: pytest.LogCaptureFixture, store: RedisStore, *secrets: str
) -> BackendError:
    """Initialise a store that cannot be; return its error, in which there is no secret."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BackendError) as caught:
        await store.__aenter__()
    check_secrets(all_said(caught.value) + caplog.text + repr(store), secrets)
    return caught.value
