"""Eight floats at a time inside numba: a vector type, its arithmetic, and a matrix product.

numba vectorises loops only when LLVM can prove that arrays do not overlap, which it gives up on
in a recurrent cell with its ten of them. Here the vectors are spelled out instead: `Vec` is a
numba type that holds one LLVM vector of eight float32, so a cell reads like its formula and
becomes AVX2 or NEON code on every machine. The matrix product keeps a tile of 4 rows x 16 columns
in registers; for the small products of a recurrent step (32 x 50 by 50 x 150) it reaches 85 to
95 % of a core's peak, where torch's product of the same shape reaches 55 % (benchmarks/README.md).

Addresses are plain integers (`at`), offsets and strides count floats.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from textcls.compilation import kernel

float32 = types.float32

WIDTH = 8
"""Floats in a vector; buffers that the kernels touch have rows of a multiple of this."""

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


class _VecType(types.Type):  # type: ignore[misc]  # numba ships no types
    def __init__(self) -> None:
        super().__init__(name="Vec")


vec_type = _VecType()


@register_model(_VecType)
class _VecModel(models.PrimitiveModel):  # type: ignore[misc]  # numba ships no types
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, _VECTOR)


def _vector_pointer(builder: Any, address: Any, offset: Any) -> Any:
    base = builder.inttoptr(address, _FLOAT.as_pointer())
    return builder.bitcast(builder.gep(base, [offset]), _VECTOR.as_pointer())


def _splat(builder: Any, scalar: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    lanes = ir.Constant(ir.VectorType(_I32, WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, undefined, lanes)


def _call(builder: Any, name: str, *operands: Any) -> Any:
    signature = ir.FunctionType(_VECTOR, [_VECTOR] * len(operands))
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{WIDTH}f32")
    return builder.call(function, operands)


@intrinsic
def load(typingctx: Any, address: Any, offset: Any) -> Any:
    """Read a vector of eight floats from memory.

    Args:
        typingctx: numba's; the caller leaves it out, as in every intrinsic here.
        address: Of a float32 array, from `at`; 4-byte alignment is enough.
        offset: Floats from there to the first of the eight. Nothing checks the bounds.
    """
    del typingctx, address, offset

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.load(_vector_pointer(builder, *args), align=4)

    return vec_type(types.intp, types.intp), codegen


@intrinsic
def store(typingctx: Any, address: Any, offset: Any, value: Any) -> Any:
    """Write a vector of eight floats to memory.

    Args:
        typingctx: numba's.
        address: Of a float32 array, from `at`; 4-byte alignment is enough.
        offset: Floats from there to the first of the eight. Nothing checks the bounds.
        value: The vector.
    """
    del typingctx, address, offset, value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del signature
        builder.store(args[2], _vector_pointer(builder, args[0], args[1]), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, vec_type), codegen


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """Make a vector of eight times the same float.

    Args:
        typingctx: numba's.
        value: A float32; a Python float would be refused as float64.
    """
    del typingctx, value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return _splat(builder, args[0])

    return vec_type(types.float32), codegen


def _elementwise(arity: int, emit: Callable[..., Any], doc: str) -> Any:
    """Make an intrinsic of one to three vectors; numba counts the arguments of a signature."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return emit(builder, *args)

    def of(*operands: Any) -> Any:
        return vec_type(*[vec_type] * len(operands)), codegen

    shapes: dict[int, Callable[..., Any]] = {
        1: lambda typingctx, a: of(a),  # noqa: ARG005
        2: lambda typingctx, a, b: of(a, b),  # noqa: ARG005
        3: lambda typingctx, a, b, c: of(a, b, c),  # noqa: ARG005
    }
    shape = shapes[arity]
    shape.__doc__ = doc
    return intrinsic(shape)


add = _elementwise(2, lambda builder, a, b: builder.fadd(a, b), "a + b")
sub = _elementwise(2, lambda builder, a, b: builder.fsub(a, b), "a - b")
mul = _elementwise(2, lambda builder, a, b: builder.fmul(a, b), "a * b")
div = _elementwise(2, lambda builder, a, b: builder.fdiv(a, b), "a / b")
fma = _elementwise(
    3, lambda builder, a, b, c: _call(builder, "fma", a, b, c), "a * b + c, rounded once"
)
sqrt = _elementwise(1, lambda builder, a: _call(builder, "sqrt", a), "square root")
minimum = _elementwise(
    2, lambda builder, a, b: _call(builder, "minimum", a, b), "the smaller; NaN stays NaN"
)
maximum = _elementwise(
    2, lambda builder, a, b: _call(builder, "maximum", a, b), "the larger; NaN stays NaN"
)


@njit(inline="always")
def tanh(x: Any) -> Any:
    """Compute tanh to 4e-7 as a ratio of polynomials in x (Eigen's `ptanh_float`).

    Args:
        x: A vector; beyond 7.9 either way it counts as that.
    """
    limit = splat(float32(7.90531110763549805))
    x = minimum(maximum(x, sub(splat(float32(0.0)), limit)), limit)
    x2 = mul(x, x)
    p = splat(float32(-2.76076847742355e-16))
    p = fma(p, x2, splat(float32(2.00018790482477e-13)))
    p = fma(p, x2, splat(float32(-8.60467152213735e-11)))
    p = fma(p, x2, splat(float32(5.12229709037114e-08)))
    p = fma(p, x2, splat(float32(1.48572235717979e-05)))
    p = fma(p, x2, splat(float32(6.37261928875436e-04)))
    p = fma(p, x2, splat(float32(4.89352455891786e-03)))
    q = splat(float32(1.19825839466702e-06))
    q = fma(q, x2, splat(float32(1.18534705686654e-04)))
    q = fma(q, x2, splat(float32(2.26843463243900e-03)))
    q = fma(q, x2, splat(float32(4.89352518554385e-03)))
    return div(mul(x, p), q)


@njit(inline="always")
def sigmoid(x: Any) -> Any:
    """Compute 1 / (1 + exp(-x)), through tanh(x / 2).

    Args:
        x: A vector.
    """
    half = splat(float32(0.5))
    return fma(half, tanh(mul(half, x)), half)


def _make_tile(rows: int, vectors: int) -> Any:
    """C[rows, vectors * 8] (+)= A[rows, k] B[k, vectors * 8], the C tile kept in registers.

    More than two vectors take further panels of B, `b_panel` floats apart.
    """

    def tile(
        typingctx: Any, a: Any, a_row: Any, a_col: Any, b: Any, b_row: Any, b_panel: Any, c: Any, c_row: Any, k: Any, accumulate: Any,
    ) -> Any:  # fmt: skip
        del typingctx, a, a_row, a_col, b, b_row, b_panel, c, c_row, k, accumulate

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del signature
            a, a_row, a_col, b, b_row, b_panel, c, c_row, k, accumulate = args
            zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
            base = builder.inttoptr(a, _FLOAT.as_pointer())
            cells = [(i, v) for i in range(rows) for v in range(vectors)]

            def c_pointer(i: int, v: int) -> Any:
                offset = builder.mul(ir.Constant(_I64, i), c_row)
                return _vector_pointer(
                    builder, c, builder.add(offset, ir.Constant(_I64, v * WIDTH))
                )

            panels = [builder.mul(ir.Constant(_I64, v // 2), b_panel) for v in range(vectors)]
            columns = [
                builder.add(panels[v], ir.Constant(_I64, v % 2 * WIDTH)) for v in range(vectors)
            ]

            entry = builder.block
            resume, loop, done = (builder.append_basic_block(n) for n in ("resume", "loop", "done"))
            builder.cbranch(builder.icmp_signed("!=", accumulate, zero), resume, loop)
            builder.position_at_end(resume)
            old = {cell: builder.load(c_pointer(*cell), align=4) for cell in cells}
            builder.branch(loop)

            builder.position_at_end(loop)
            step = builder.phi(_I64)
            sums = {cell: builder.phi(_VECTOR) for cell in cells}
            for cell in cells:
                sums[cell].add_incoming(ir.Constant(_VECTOR, [0.0] * WIDTH), entry)
                sums[cell].add_incoming(old[cell], resume)
            step.add_incoming(zero, entry)
            step.add_incoming(zero, resume)
            b_offset = builder.mul(step, b_row)
            b_vectors = [
                builder.load(_vector_pointer(builder, b, builder.add(b_offset, columns[v])), align=4)
                for v in range(vectors)
            ]  # fmt: skip
            a_offset = builder.mul(step, a_col)
            new = {}
            for i in range(rows):
                offset = builder.add(a_offset, builder.mul(ir.Constant(_I64, i), a_row))
                scalar = _splat(builder, builder.load(builder.gep(base, [offset])))
                for v in range(vectors):
                    new[i, v] = _call(builder, "fma", scalar, b_vectors[v], sums[i, v])
            following = builder.add(step, one)
            step.add_incoming(following, loop)
            for cell in cells:
                sums[cell].add_incoming(new[cell], loop)
            builder.cbranch(builder.icmp_signed("<", following, k), loop, done)

            builder.position_at_end(done)
            for cell in cells:
                builder.store(new[cell], c_pointer(*cell), align=4)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 10), codegen

    return intrinsic(tile)


_tile_4x16 = _make_tile(4, 2)
_tile_1x64 = _make_tile(1, 8)
_tile_1x16 = _make_tile(1, 2)
_tile_4x8 = _make_tile(4, 1)
_tile_1x8 = _make_tile(1, 1)


BLOCK = 192
"""Length of the inner dimension that is worked off at a time, so that a panel of B stays in L1."""


@njit
def at(array: Any) -> Any:
    """Return the address of an array.

    The address keeps nothing alive: numba frees a local array after the last line that names it, so
    an address must be taken anew wherever it is used, inside the loop that uses it.

    Args:
        array: Of any type and shape; the address is that of its first element.
    """
    return np.intp(array.ctypes.data)


@njit(inline="always")
def product(
    from_a: Any, a_row: int, a_col: int, from_b: Any, b_row: int, b_panel: int, onto_c: Any,
    c_row: int, m: int, k: int, n: int, accumulate: int,
) -> None:  # fmt: skip
    """Compute a matrix product on addresses: C (m, n) = A (m, k) B (k, n), or C += A B.

    `matmul` is the same on arrays. Whoever calls this keeps the memory alive; nothing checks
    bounds.

    Args:
        from_a: The address of A's first float.
        a_row: Floats from one row of A to the next.
        a_col: Floats from one column of A to the next.
        from_b: The address of B's first float.
        b_row: Floats from one row of B to the next.
        b_panel: Floats from one panel of 16 columns of B to the next.
        onto_c: The address of C's first float.
        c_row: Floats from one row of C to the next; its columns are contiguous.
        m: Rows of A and C.
        k: Columns of A and rows of B, at least 1.
        n: Columns of B and C, a multiple of 8.
        accumulate: 1 to add to C, 0 to overwrite it.
    """
    for start in range(0, k, BLOCK):
        depth = min(BLOCK, k - start)
        onto = 1 if start else accumulate
        a_block = from_a + 4 * start * a_col
        b_block = from_b + 4 * start * b_row
        panels = (n + 15) // 16
        for panel in range(panels):
            j = 16 * panel
            b_here = b_block + 4 * panel * b_panel
            for i in range(0, m - m % 4, 4):
                a_here, c_here = a_block + 4 * i * a_row, onto_c + 4 * (i * c_row + j)
                if n - j >= 16:
                    _tile_4x16(
                        a_here, a_row, a_col, b_here, b_row, b_panel, c_here, c_row, depth, onto
                    )
                else:
                    _tile_4x8(
                        a_here, a_row, a_col, b_here, b_row, b_panel, c_here, c_row, depth, onto
                    )
        # A single row has too few sums of its own to keep the processor busy: four panels at once.
        for i in range(m - m % 4, m):
            a_here, panel = a_block + 4 * i * a_row, 0
            while panel < panels:
                j = 16 * panel
                b_here, c_here = b_block + 4 * panel * b_panel, onto_c + 4 * (i * c_row + j)
                if n - j >= 64:
                    _tile_1x64(
                        a_here, a_row, a_col, b_here, b_row, b_panel, c_here, c_row, depth, onto
                    )
                    panel += 4
                    continue
                if n - j >= 16:
                    _tile_1x16(
                        a_here, a_row, a_col, b_here, b_row, b_panel, c_here, c_row, depth, onto
                    )
                else:
                    _tile_1x8(
                        a_here, a_row, a_col, b_here, b_row, b_panel, c_here, c_row, depth, onto
                    )
                panel += 1


@kernel(nogil=True)
def matmul(
    a: Any, a_begin: int, a_row: int, a_col: int, b: Any, b_begin: int, b_row: int, b_panel: int, c: Any, c_begin: int,
    c_row: int, m: int, k: int, n: int, accumulate: int,
) -> None:  # fmt: skip
    """Compute C (m, n) = A (m, k) B (k, n), or C += A B.

    A may be read in any stride (a transpose costs nothing). B is cut into panels of 16 columns, the
    last of 8 where n % 16 == 8; a plain matrix has `b_panel` 16 and its row pitch as `b_row`.

    Args:
        a: A float32 array that holds A, and is thereby kept alive.
        a_begin: Floats in `a` before A's first.
        a_row: Floats from one row of A to the next.
        a_col: Floats from one column of A to the next.
        b: A float32 array that holds B.
        b_begin: Floats in `b` before B's first.
        b_row: Floats from one row of B to the next.
        b_panel: Floats from one panel of B to the next.
        c: A float32 array that holds C.
        c_begin: Floats in `c` before C's first.
        c_row: Floats from one row of C to the next; its columns are contiguous.
        m: Rows of A and C.
        k: Columns of A and rows of B, at least 1.
        n: Columns of B and C, a multiple of 8.
        accumulate: 1 to add to C, 0 to overwrite it.
    """
    product(
        at(a) + 4 * a_begin, a_row, a_col, at(b) + 4 * b_begin, b_row, b_panel,
        at(c) + 4 * c_begin, c_row, m, k, n, accumulate,
    )  # fmt: skip
