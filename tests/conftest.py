"""One Ray with two CPUs for all tests that need it, and compiled kernels in one place.

Two processes run the tests (`-n 2`), a file in one of them; all files that need the shared Ray
are in the same one, so there is one Ray. `-n 0` runs everything in this process.
"""

import os
from collections.abc import Iterator

import pytest

from textcls._kernel_files import PLACE_VARIABLE, kernel_roots

# Most tests that search have a cache folder of their own; compiling is not what they test.
os.environ.setdefault(PLACE_VARIABLE, str(kernel_roots()[0]))


SHARED_RAY = "two_cpus"


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, and all files whose tests use the shared Ray."""
    with_ray = {item.path for item in items if SHARED_RAY in getattr(item, "fixturenames", ())}
    for item in items:
        group = SHARED_RAY if item.path in with_ray else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def two_cpus() -> Iterator[None]:
    """A Ray that is running; a search finds it and uses it."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(None)
    from tune.execution import ray_cluster

    with ray_cluster.session(cpus=2, dashboard=False):
        yield
