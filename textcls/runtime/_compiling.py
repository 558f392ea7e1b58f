"""Compile the programs with numba into one object file."""

import json
from typing import Any

import numba
from llvmlite import binding
from numba import types

from textcls.runtime import _encoder_programs, _word_programs
from textcls.runtime._machine_code import target_machine
from textcls.runtime._program_parts import NUMBER

_SIGNATURES = _word_programs.SIGNATURES | _encoder_programs.SIGNATURES

FROM_OUTSIDE = frozenset({"exp", "log", "memcpy", "memmove", "memset", "sqrt"})
"""What the programs may call: functions of C that every process has. Were there another, such as
one of numba's or Python's, the loader would leave all of them without an address."""


def compile_object(prefix: str) -> bytes:
    """Return a line of JSON, the number of each program's arguments, and the object file.

    Args:
        prefix: Stands before each program's name in the object file.

    Raises:
        RuntimeError: A program calls what a process without numba does not have.
    """
    together: Any = None
    for function, arguments in _SIGNATURES.items():
        module = binding.parse_assembly(_as_c_function(function, arguments, prefix))
        module.verify()
        if together is None:
            together = module
        else:
            together.link_in(module)
    missing = {each.name for each in together.functions if each.is_declaration}
    missing = {name for name in missing - FROM_OUTSIDE if not name.startswith("llvm.")}
    if missing:
        raise RuntimeError(f"the programs call {', '.join(sorted(missing))}")
    counts = {f.__name__: len(each) for f, each in _SIGNATURES.items()}
    return json.dumps(counts).encode() + b"\n" + target_machine().emit_object(together)


def _as_c_function(function: Any, arguments: tuple[Any, ...], prefix: str) -> str:
    """Return a function's code in LLVM's language, with a function of C's conventions around it.

    numba's own such function would report an error to Python; these functions have none.
    """
    compiled = numba.njit(
        types.void(*arguments),
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
    )(function)
    (overload,) = compiled.overloads.values()
    kinds = ["i64" if kind == NUMBER else "ptr" for kind in arguments]
    named = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    return overload.library.get_llvm_str() + (
        f"\ndefine void @{prefix}{function.__name__}({named}) {{\n"
        "  %result = alloca ptr\n"
        "  %error = alloca ptr\n"
        f'  %status = call i32 @"{overload.fndesc.mangled_name}"'
        f"(ptr %result, ptr %error, {named})\n"
        "  ret void\n"
        "}\n"
    )
