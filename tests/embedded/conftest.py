"""Both event loops, and a temporary directory in which servers must leave nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.processes import listing


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(autouse=True)
def temp_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A temporary directory of the test's own, in which servers must leave nothing."""
    tmp_path_factory.getbasetemp()  # made at its first use: not in our directory, please
    with tempfile.TemporaryDirectory(prefix="rs-") as root:
        monkeypatch.setattr(tempfile, "tempdir", root)
        yield Path(root)
        assert listing(Path(root)) == []
