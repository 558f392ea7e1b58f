import ast
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import types
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher

from textcls import compilation
from textcls._kernel_files import KernelFiles
from textcls.compilation import KERNEL_MODULES, kernel, stored_kernels
from textcls.models import _kernels

ROOT = Path(__file__).parents[2]
# Prints the kernel's result and how many kernels this process compiled.
USE_A_KERNEL = """
import numpy as np
from textcls.models import _kernels
rows = np.ones((2, 1), np.float32)
_kernels._clear(rows, 1)
print(rows.tolist())
print(sum(_kernels._clear.stats.cache_misses.values()))
"""
RESULT = [[1.0], [0.0]]


def copy_sources(folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "textcls", folder / "textcls", ignore=ignored)


def start(package: Path, cache: Path, code: str = USE_A_KERNEL) -> "subprocess.Popen[str]":
    """A process of its own, with a copy of the sources and a folder for its kernels."""
    env = {**os.environ, "PYTHONPATH": str(package), "TEXTCLS_KERNEL_CACHE": str(cache)}
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, cwd="/", stdout=pipe, stderr=pipe, text=True)


def compiled(process: "subprocess.Popen[str]") -> int:
    """Kernels that a process compiled; it must have ended well and said nothing."""
    printed, told = process.communicate()
    assert (process.returncode, told) == (0, "")
    result, count = printed.splitlines()
    assert result == str(RESULT)
    return int(count)


def test_kernels_belong_to_what_the_sources_say_and_not_to_their_folder(tmp_path: Path) -> None:
    cache, here, there = tmp_path / "cache", tmp_path / "here", tmp_path / "there"
    copy_sources(here)
    assert compiled(start(here, cache)) == 1
    here.rename(there)
    assert compiled(start(there, cache)) == 0
    assert not list(there.rglob("*.nb?"))  # numba's own cache is not used
    with (there / "textcls" / "models" / "simd.py").open("a") as file:
        file.write("# what other kernels call has changed\n")
    assert compiled(start(there, cache)) == 1
    assert len(list(cache.iterdir())) == 2


def test_processes_that_start_together_compile_a_kernel_once(tmp_path: Path) -> None:
    together = [start(ROOT, tmp_path / "cache") for _ in range(3)]
    assert sum(compiled(process) for process in together) == 1


WITHOUT_A_HOME = """
import os
import numba
from textcls import compilation
from textcls.models import _kernels
numba.njit(lambda x: x + 1)(1)  # what numba imports late may lie in a folder of root's
os.setuid(54321)
for variable in ("HOME", "XDG_CACHE_HOME", "TEXTCLS_CACHE", "TEXTCLS_KERNEL_CACHE"):
    os.environ.pop(variable, None)
for home in ({}, {"HOME": "/"}):
    os.environ.update(home)
    compilation.stored_kernels.cache_clear()
    again = compilation.kernel(nogil=True)(_kernels._clear.py_func)
    again.compile((numba.float32[:, ::1], numba.int64))
    print(sum(again.stats.cache_misses.values()), again.stats.cache_path)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_keeps_kernels_in_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        root, scratch = Path(folder), Path(folder) / "scratch"
        scratch.mkdir()
        for each, mode in ((root, 0o755), (scratch, 0o777)):
            each.chmod(mode)
        copy_sources(root / "sources")
        monkeypatch.setenv("TMPDIR", str(scratch))
        printed, told = start(root / "sources", root, WITHOUT_A_HOME).communicate()
        assert told == ""
        first, second = printed.splitlines()
        where = f"{scratch}/textcls-54321/kernels/"
        assert first.startswith(f"1 {where}")
        assert second.startswith(f"0 {where}")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelFiles:
    """An empty folder for kernels."""
    made = KernelFiles([tmp_path / "cache"], "set")
    monkeypatch.setattr(compilation, "stored_kernels", lambda: made)
    return made


def use_kernel() -> int:
    """Call a kernel as a new process does; returns how often it was compiled."""
    made = kernel(nogil=True)(_kernels._clear.py_func)
    rows = np.ones((2, 1), np.float32)
    made(rows, 1)
    assert rows.tolist() == RESULT
    return sum(made.stats.cache_misses.values())


def stored(files: KernelFiles) -> Path:
    (path,) = (path for path in files.folders[0].iterdir() if path.suffix != ".lock")
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.999])
def test_a_file_that_was_cut_off_is_written_anew(share: float, files: KernelFiles) -> None:
    assert use_kernel() == 1
    whole = stored(files).read_bytes()
    os.truncate(stored(files), int(share * len(whole)))
    assert use_kernel() == 1
    assert files.read(stored(files).name) is not None
    assert use_kernel() == 0


@pytest.mark.parametrize("content", [b"no kernel", pickle.dumps((1, 2)), pickle.dumps(None)])
def test_a_file_that_numba_cannot_use_is_written_anew(content: bytes, files: KernelFiles) -> None:
    assert use_kernel() == 1
    files.write(stored(files).name, content)
    assert use_kernel() == 1
    assert use_kernel() == 0


def test_where_nothing_can_be_kept_it_compiles_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    made = KernelFiles([tmp_path / "file"], "set")
    monkeypatch.setattr(compilation, "stored_kernels", lambda: made)
    assert use_kernel() == 1
    assert use_kernel() == 1
    (told,) = caplog.messages
    assert f"{tmp_path}/file/set: Not a directory" in told
    assert "TEXTCLS_KERNEL_CACHE" in told


def test_a_full_disk_leaves_nothing_half_written(
    files: KernelFiles, caplog: pytest.LogCaptureFixture
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        assert use_kernel() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "File too large" in caplog.text
    assert [path.suffix for path in files.folders[0].iterdir()] == [".lock"]
    assert use_kernel() == 1
    assert use_kernel() == 0


def test_constants_do_not_make_kernels_of_their_own() -> None:
    given = [types.int64[::1], types.literal(1), types.boolean]
    _kernels._carry_over.compile(tuple(given))
    assert {arguments[1] for arguments in _kernels._carry_over.overloads} == {types.int64}


def test_numba_still_has_the_private_parts_that_are_used() -> None:
    """When this fails after an update of numba, look at `textcls/compilation.py` first."""
    assert isinstance(_kernels._starts, Dispatcher)
    assert isinstance(_kernels._starts._cache, _Cache)
    assert callable(CompileResult._rebuild)
    assert callable(CompileResult._reduce)
    plain = numba.njit(lambda x: x + 1)
    assert callable(plain.compile)
    assert hasattr(plain, "_cache")
    _kernels._starts(np.array([2, 1]))
    name = _kernels._starts._cache._file_name(
        next(iter(_kernels._starts.overloads)), _kernels._starts.targetctx
    )
    assert stored_kernels().read(name) is not None


LOAD_ALL = """
import pickle
from numba.core import registry
from numba.core.base import BaseContext
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from textcls.compilation import stored_kernels

def refresh(_context):
    raise RuntimeError("loading a kernel loads the compiler")

BaseContext.refresh = refresh
context = registry.cpu_target.target_context
rtsys.initialize(context)
folder = stored_kernels().folders[0]
names = [file.name for file in folder.iterdir() if file.name.startswith("textcls.")]
stored = [name for name in names if not name.endswith(".lock")]
for name in stored:
    payload = stored_kernels().read(name)
    assert CompileResult._rebuild(context, *pickle.loads(payload)).entry_point is not None
print(len(stored))
"""


def test_stored_kernels_are_loaded_without_the_compiler() -> None:
    _kernels._starts(np.array([2, 1]))
    command = [sys.executable, "-c", LOAD_ALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_a_kernel_that_could_change_unnoticed_is_refused() -> None:
    with pytest.raises(ValueError, match="KERNEL_MODULES"):
        kernel()(test_a_kernel_that_could_change_unnoticed_is_refused)

    def outer(shift: int) -> object:
        def inner(x: int) -> int:
            return x + shift

        inner.__module__ = KERNEL_MODULES[0]
        return kernel()(inner)

    with pytest.raises(ValueError, match="close over"):
        outer(1)


def test_every_module_that_is_compiled_is_named() -> None:
    found = set()
    for path in sorted((ROOT / "textcls").rglob("*.py")):
        if path.is_relative_to(ROOT / "textcls" / "runtime"):
            continue  # its programs are compiled by itself, and kept by what its sources say
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        uses = any(name.startswith(("numba", "textcls.compilation.kernel")) for name in names)
        if uses and not any(name.endswith("compilation.stored_kernels") for name in names):
            found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert found - {"textcls.compilation"} == set(KERNEL_MODULES)


@pytest.mark.parametrize("name", KERNEL_MODULES)
def test_a_kernel_reads_nothing_from_a_module_that_is_not_named(name: str) -> None:
    """Constants are compiled in: one from another module could change unnoticed."""
    module = import_module(name)
    imported = {
        alias.asname or alias.name: node.module
        for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    kernels = [each for each in vars(module).values() if isinstance(each, Dispatcher)]
    used = {used for each in kernels for used in each.py_func.__code__.co_names}
    for one in used & set(imported):
        assert imported[one] in {*KERNEL_MODULES, "textcls.models", "typing"}, one
    assert "textcls.models" not in {imported.get(one) for one in used - {"simd"}}
