"""One Ray with two CPUs for all tests that need it."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def two_cpus() -> Iterator[None]:
    """A Ray that is running; a search finds it and uses it."""
    from tune import joining

    joining.prepare(None)
    from tune import cluster

    with cluster.session(cpus=2, dashboard=False):
        yield
