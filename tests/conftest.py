"""One Ray with two CPUs for all tests that need it, compiled kernels in one place.

Several processes run the tests (`-n` in pyproject.toml), a file in one of them. All files that use
the shared Ray are run by the same one, so that it starts once. `-n 0` runs everything in this
process.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from textcls._kernel_files import PLACE_VARIABLE, kernel_roots

# Threads that wait for cores which a search's workers have take up to ten times as long.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# Most tests that search have a cache folder of their own; compiling is not what they test.
os.environ.setdefault(PLACE_VARIABLE, str(kernel_roots()[0]))

SHARED_RAY = "two_cpus"
STARTS_PROCESSES = ("cluster_parts", "tune.search", "kill_resume", "nbclient", "ray.init")


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class _FilesScheduling(LoadFileScheduling):
    """Hand out a file at a time, and the files that use the shared Ray as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        path = Path(self.config.rootpath) / scope
        return SHARED_RAY if path.is_file() and SHARED_RAY in _text(path) else scope


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """Let the files be handed out as above."""
    return _FilesScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process has to wait for it in the end."""

    def rank(item: pytest.Item) -> int:
        text = _text(item.path)
        if SHARED_RAY in text:
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
