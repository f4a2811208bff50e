"""Which variants a test runs on, where all server binaries would tell no more."""

import pytest

from tests.conftest import TOPOLOGIES, VARIANTS

# Both key layouts on one server: for what a proxy before it counts.
on_one_server = pytest.mark.parametrize("variant", VARIANTS[:2], ids=str, indirect=True)

# These, and every other topology.
on_each_topology = pytest.mark.parametrize(
    "variant", [*VARIANTS[:2], *TOPOLOGIES], ids=str, indirect=True
)
