"""A Ray with two CPUs for all tests that need one, compiled kernels in one place.

Several processes run the tests (`-n` in pyproject.toml), a file in one of them. Each starts its Ray
with the first test that needs it; searches in further processes join that one, since a start costs
as much of the processor as ten trials. `-n 0` runs everything in this process.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from textcls._kernel_files import PLACE_VARIABLE, kernel_roots

# Threads that wait for cores which a search's workers have take up to ten times as long.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# Most tests that search have a cache folder of their own; compiling is not what they test.
os.environ.setdefault(PLACE_VARIABLE, str(kernel_roots()[0]))
# The tests start some 250 processes; without it each compiles the sources that it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SHARED_RAY = ("two_cpus", "ray_address", "one_free_cpu")
STARTS_PROCESSES = ("cluster_parts", "tune.search", "kill_resume", "nbclient", "ray.init")


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process has to wait for it in the end."""

    def rank(item: pytest.Item) -> int:
        text = _text(item.path)
        if any(mark in text for mark in SHARED_RAY):
            return 0
        return 1 if any(mark in text for mark in STARTS_PROCESSES) else 2

    items.sort(key=rank)


@pytest.fixture(scope="session")
def two_cpus() -> Iterator[None]:
    """A Ray that is running; a search finds it and uses it."""
    from tune.execution import ray_connect

    ray_connect.configure_ray(None)
    from tune.execution import ray_cluster

    with ray_cluster.session(cpus=2, dashboard=False):
        yield


@pytest.fixture(scope="session")
def ray_address(two_cpus: None) -> str:  # noqa: ARG001
    """The address of that Ray, for searches in other processes (`--address`, `RAY_ADDRESS`)."""
    import ray

    address: str = ray.get_runtime_context().gcs_address
    return address


@pytest.fixture(scope="module")
def one_free_cpu(two_cpus: None) -> Iterator[None]:  # noqa: ARG001
    """That Ray with one CPU taken: a search starts one worker, whose start costs most of it.

    For files whose tests are not about trials side by side.
    """
    from ray.util import placement_group, remove_placement_group

    taken = placement_group([{"CPU": 1}])
    assert taken.wait(60)
    yield
    remove_placement_group(taken)
