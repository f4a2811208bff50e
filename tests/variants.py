"""Which variants a test runs on, where all of them would tell no more."""

import pytest

from tests.conftest import VARIANTS

# Both key layouts on one server, for what no server decides.
on_one_server = pytest.mark.parametrize(
    "variant", [each for each in VARIANTS if each.server == VARIANTS[0].server], ids=str
)
