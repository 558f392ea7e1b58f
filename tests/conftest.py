"""One Ray with two CPUs for all tests that need it, and compiled kernels in one place."""

import os
from collections.abc import Iterator

import pytest

from textcls._kernel_files import PLACE_VARIABLE, kernel_roots

# Threads that wait for cores which a search's workers have take up to ten times as long.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# Most tests that search have a cache folder of their own; compiling is not what they test.
os.environ.setdefault(PLACE_VARIABLE, str(kernel_roots()[0]))


@pytest.fixture(scope="session")
def two_cpus() -> Iterator[None]:
    """A Ray that is running; a search finds it and uses it."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(None)
    from tune.execution import ray_cluster

    with ray_cluster.session(cpus=2, dashboard=False):
        yield
