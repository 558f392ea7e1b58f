"""One Ray with two CPUs for all tests that need it."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def two_cpus() -> Iterator[None]:
    """A Ray that is running; a search finds it and uses it."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(None)
    from tune.execution import ray_cluster

    with ray_cluster.session(cpus=2, dashboard=False):
        yield
