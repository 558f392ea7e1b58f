"""Compile kernels with numba, once on a machine.

`kernel` stands where `numba.njit` would. numba's own `cache=True` writes beside the sources, which
every checkout, read-only package and unpacked working directory makes anew; it fails where that
cannot be written, ends in a traceback on a file that was cut off, and notices a change of the
kernel's own file only, not of one that it calls. Here compiled kernels lie below the cache folder,
in a folder named after the sources of all kernels, the compiler and the processor.

This is the one file that uses numba's private parts; `tests/textcls/test_compilation.py` holds
them to what is expected here.
"""

import functools
import hashlib
import pickle
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

import llvmlite
import numba
from llvmlite import binding
from numba import types
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from textcls import cache
from textcls._kernel_files import KernelFiles, kernel_roots

KERNEL_MODULES = (
    "textcls.data._text_hashes",
    "textcls.models._kernels",
    "textcls.models._layouts",
    "textcls.models._linear_features",
    "textcls.models._ngrams",
    "textcls.models.linear",
    "textcls.models.simd",
    "textcls.text.batching",
    "textcls.training._optimizer",
)
"""The modules that hold kernels, or what is compiled into them. A change of any of them compiles
all kernels anew: they call each other."""


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function by numba's nopython mode, at its first call, once on a machine.

    Args:
        options: Options of `numba.njit`, such as `nogil` and `fastmath`.

    Returns:
        A decorator. It raises ValueError on a function of a module that `KERNEL_MODULES` does not
        name, and on one that closes over variables: a change of those would go unnoticed.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if function.__module__ not in KERNEL_MODULES:
            raise ValueError(
                f"{function.__module__}.{function.__qualname__} is a kernel, so KERNEL_MODULES in "
                f"{__name__} must name its module"
            )
        if function.__closure__ is not None:
            raise ValueError(f"the kernel {function.__qualname__} must not close over variables")
        dispatcher = numba.njit(**options)(function)
        stored = _StoredKernel(function)
        compile_it = dispatcher.compile

        def compile_once(arguments: tuple[Any, ...]) -> Any:
            # numba compiles a function once for each constant that it is called with, the matrix
            # product six times; one for all costs nothing in speed and saves a fifth of the time.
            arguments = tuple(types.unliteral(each) for each in arguments)
            # numba's lock first, as in every other thread: the order must be the same everywhere.
            with global_compiler_lock, stored.locked(arguments, dispatcher.targetctx):
                return compile_it(arguments)

        dispatcher._cache = stored
        dispatcher.compile = compile_once
        return dispatcher

    return decorate


class _StoredKernel(_Cache):  # type: ignore[misc]  # numba ships no types
    """The cache that numba's dispatcher asks before it compiles a function and fills after."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._code = function.__code__.co_code

    @property
    def cache_path(self) -> str:
        """The preferred folder."""
        return str(stored_kernels().folders[0])

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kernel compiled for a signature, or None where it is not stored."""
        name = self._file_name(sig, target_context)
        payload = stored_kernels().read(name)
        if payload is None:
            return None  # numba refreshes its context before it compiles
        # `target_context.refresh()` would load what compiling needs: 0.3 s of the processor.
        rtsys.initialize(target_context)
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(payload))  # noqa: S301
        except Exception:  # whatever keeps a stored kernel from being used, compiling it helps
            stored_kernels().discard(name)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store a compiled kernel."""
        if data.library.has_dynamic_globals or any(not each.can_cache for each in data.lifted):
            return  # numba's own rule: its code holds addresses of this process
        name = self._file_name(sig, data.target_context)
        stored_kernels().write(name, dumps(data._reduce()))

    @contextmanager
    def locked(self, sig: Any, target_context: Any) -> Iterator[None]:
        """Hold the lock of a kernel that is still to be compiled."""
        files, name = stored_kernels(), self._file_name(sig, target_context)
        if files.read(name) is not None:
            yield
            return
        with files.lock(name):
            yield

    def enable(self) -> None:
        """Do nothing: it is always on."""

    def disable(self) -> None:
        """Do nothing: it is always on."""

    def flush(self) -> None:
        """Do nothing: a stored kernel is never out of date."""

    def _file_name(self, sig: Any, target_context: Any) -> str:
        processor = target_context.codegen().magic_tuple()
        told = repr((tuple(map(str, sig)), processor, self._code))
        return f"{self._name}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


@functools.cache
def stored_kernels() -> KernelFiles:
    """Return this process's files of compiled kernels."""
    return KernelFiles(kernel_roots(), _key())


def _key() -> str:
    """Return the name of a set: everything that decides what compiling gives."""
    return cache.key(
        "kernels",
        _sources(),
        numba.__version__,
        llvmlite.__version__,
        sys.implementation.cache_tag,
        platform.machine(),
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    )


def _sources() -> list[str]:
    package = resources.files("textcls")
    files = [package / f"{'/'.join(name.split('.')[1:])}.py" for name in KERNEL_MODULES]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
