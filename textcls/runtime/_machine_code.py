"""Machine code of the programs that predict: compiled once on a machine, loaded without numba.

numba takes three tenths of a second to import; LLVM's loader alone, which llvmlite brings, takes a
twentieth. So the object file that numba makes is kept beside the other compiled kernels
(`textcls._kernel_files`: a checksum, and only files that nobody else could have written), under the
names of its sources, of the compilers and of the processor.
"""

import ctypes
import functools
import importlib.util
import json
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from llvmlite import __version__ as llvmlite_version
from llvmlite import binding

from textcls import cache
from textcls._kernel_files import KernelFiles, kernel_roots

_SOURCES = (
    "models/simd.py",
    "runtime/_compiling.py",
    "runtime/_encoder_programs.py",
    "runtime/_program_parts.py",
    "runtime/_word_programs.py",
)
_SHORT = frozenset(
    {"find_distinct", "pack", "pool_packed", "gather_states", "finish", "softmax", "cut"}
)
"""Programs that keep Python's lock: to take it again may last as long as Python lets another thread
run, longer than they do."""
_NAME = "runtime"
_PREFIX = "textcls_runtime_"


def programs() -> Any:
    """Return the compiled programs, as attributes by their names; compile them where they are new.

    Each takes addresses and numbers as Python integers and runs without Python's lock.
    """
    return _programs()


@functools.cache
def _programs() -> SimpleNamespace:
    files = KernelFiles(kernel_roots(), _key())
    stored = files.read(_NAME)
    if stored is None:
        with files.lock(_NAME):
            stored = files.read(_NAME)
            if stored is None:
                stored = compile_programs()
                files.write(_NAME, stored)
    return _load(stored)


def compile_programs() -> bytes:
    """Compile the programs: a line of JSON with their arguments' number, then an object file."""
    from textcls.runtime._compiling import compile_object

    return compile_object(_PREFIX)


def _load(stored: bytes) -> SimpleNamespace:
    head, _, code = stored.partition(b"\n")
    counts: dict[str, int] = json.loads(head)
    engine = _new_engine()
    engine.add_object_file(binding.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    found: dict[str, Any] = {}
    for name, count in counts.items():
        prototype = ctypes.PYFUNCTYPE if name in _SHORT else ctypes.CFUNCTYPE
        kind = prototype(None, *[ctypes.c_ssize_t] * count)
        found[name] = kind(engine.get_function_address(_PREFIX + name))
    return SimpleNamespace(**found, _engine=engine)  # the code lives as long as its engine


def _new_engine() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = target_machine()
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)


def target_machine() -> Any:
    """Return LLVM's description of this processor, for code that is loaded into a process."""
    target = binding.Target.from_default_triple()
    return target.create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        jit=True,
    )


def _key() -> str:
    """Return a name for everything that decides what compiling gives."""
    package = Path(__file__).parents[1]
    return cache.key(
        "runtime",
        [cache.key((package / source).read_text(encoding="utf-8")) for source in _SOURCES],
        _numba_version(),
        llvmlite_version,
        platform.machine(),
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    )


def _numba_version() -> str:
    """Return what numba says of its version, without importing it."""
    found = importlib.util.find_spec("numba")
    if found is None or found.origin is None:
        return "none"
    return (Path(found.origin).parent / "_version.py").read_text(encoding="utf-8")
