"""Compile the kernels that a search's trials need while Ray starts."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tune.config import conditions, optuna_space
from tune.config.search_file import ObjectiveSearchFile, SearchFile

if TYPE_CHECKING:
    from textcls.training.warm_up import KernelKind

ANNOUNCED = "Compiling the kernels, once on this machine: about 20 s, while Ray starts."
_DECISIVE = ("model", "pooling", "ngrams")  # hyperparameters whose values call other kernels


@contextmanager
def compile_ahead(config: SearchFile, say: Callable[[str], None]) -> Iterator[None]:
    """Compile the kernels that trials will call, in a process beside.

    Trials that come first wait for it, kernel by kernel (`textcls.compilation`). The process is
    ended with the context. Nothing depends on it: what it does not compile, a trial does.

    Args:
        config: The search.
        say: Gets a sentence where there is something to compile.

    Yields:
        Nothing, at once.
    """
    ahead = _Ahead(config, say)
    thread = threading.Thread(target=ahead.run, name="kernels", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ahead.end()
        thread.join()  # an interpreter that ends amid a thread's import may hang


def kernel_kinds(config: SearchFile) -> "list[KernelKind]":
    """Return the kinds of kernels that trials of a search may call.

    Args:
        config: The search.

    Returns:
        Each kind once, those of its first points first.
    """
    from textcls.training.warm_up import KernelKind

    linear = optuna_space.wants_linear(config)
    cases = optuna_space.initial_points(config)
    if not config.configurations:
        space = optuna_space.searched(config)
        names = [name for name in _DECISIVE if name in space]
        cases += conditions.assignments(space, names)
    models = [config.configuration(case)[0] for case in cases]
    return list(dict.fromkeys(KernelKind.of(model, linear=linear) for model in models))


class _Ahead:
    """The process that compiles: started by one thread, ended by another."""

    def __init__(self, config: SearchFile, say: Callable[[str], None]) -> None:
        self.config, self.say = config, say
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._ended = False

    def run(self) -> None:
        if isinstance(self.config, ObjectiveSearchFile):
            return  # it trains no classifier
        from textcls.training import warm_up  # numba: a second

        missing = warm_up.missing_kinds(kernel_kinds(self.config))
        process = self._start(warm_up.encode_kinds(missing)) if missing else None
        if process is not None:
            self._wait_for(process)

    def _start(self, kinds: str) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._ended:
                return None
            command = [sys.executable, "-m", "textcls.training.warm_up", kinds]
            self._process = subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        self.say(ANNOUNCED)
        return self._process

    def _wait_for(self, process: subprocess.Popen[str]) -> None:
        _, told = process.communicate()
        if self._ended:
            return
        if process.returncode == 0:
            if told.strip():  # that there is no place to keep them
                self.say(told.strip())
            return
        reason = (told.strip().splitlines() or ["no message"])[-1]
        self.say(
            f"The kernels could not be compiled ahead ({reason}); each trial compiles its own."
        )

    def end(self) -> None:
        with self._lock:
            self._ended = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
