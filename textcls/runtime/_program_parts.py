"""What the compiled programs are made of: the types of their arguments, pointers as numbers."""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

BYTES, INTS, LONGS = (types.CPointer(t) for t in (types.uint8, types.int32, types.int64))
FLOATS, DOUBLES, POINTS = (types.CPointer(t) for t in (types.float32, types.float64, types.uint32))
NUMBER = types.intp

Signatures = dict[Any, tuple[Any, ...]]
"""Programs and the types of their arguments; none returns anything."""

part = njit(error_model="numpy", forceinline=True)
"""Compile a part of a program into it."""


@intrinsic
def address(typingctx: Any, pointer: Any) -> Any:
    """Return a pointer as a number."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.ptrtoint(args[0], ir.IntType(64))

    return types.intp(pointer), codegen
