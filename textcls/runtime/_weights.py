"""Arrange a classifier's weights once, as the compiled programs read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textcls.config.models import ModelConfig

Array = np.ndarray[Any, Any]
_LANES = 8
_PANEL = 16
_EPSILON = 1e-5  # of torch's batch normalisation


@dataclass(frozen=True, slots=True)
class Fixed:
    """An array that stays where it is, and its address, which takes a microsecond to ask for."""

    array: Array
    at: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", self.array.ctypes.data)


def padded(size: int) -> int:
    """Round a size up to whole vectors."""
    return -(-size // _LANES) * _LANES


def panels_of(matrix: Array) -> Array:
    """Rearrange (k, n) into panels of 16 columns, each contiguous, as `simd.matmul` reads them."""
    inner, width = matrix.shape
    count = -(-width // _PANEL)
    wide = np.zeros((inner, count * _PANEL), np.float32)
    wide[:, :width] = matrix
    return np.ascontiguousarray(wide.reshape(inner, count, _PANEL).transpose(1, 0, 2))


def affine(weight: Array, bias: Array, gates: int = 1) -> tuple[Array, Array]:
    """Arrange a matrix and its bias for a product, gate by gate.

    Args:
        weight: float32 (gates * H, D), as torch has it.
        bias: float32 (gates * H,).
        gates: How many matrices lie below each other.

    Returns:
        Panels of (D, gates * P), and (gates * P,); what is added to H is zero.
    """
    hidden = len(bias) // gates
    pitch = padded(hidden)
    wide = np.zeros((weight.shape[1], gates, pitch), np.float32)
    wide[:, :, :hidden] = weight.reshape(gates, hidden, -1).transpose(2, 0, 1)
    long = np.zeros((gates, pitch), np.float32)
    long[:, :hidden] = bias.reshape(gates, hidden)
    return panels_of(wide.reshape(len(wide), -1)), long.ravel()


@dataclass(frozen=True, slots=True)
class Recurrence:
    """One direction of one layer: input and recurrent weights as panels, biases padded."""

    inputs: Fixed
    bias: Fixed
    recurrent: Fixed
    candidate_bias: Fixed
    """A GRU's, of the candidate's recurrent part; the reset gate stands before it."""


def recurrences(weights: Mapping[str, Array], model: ModelConfig) -> list[list[Recurrence]]:
    """Return the weights of each layer and direction."""
    directions = ("", "_reverse") if model.bidirectional else ("",)
    return [
        [_recurrence(weights, f"l{layer}{direction}", model.name) for direction in directions]
        for layer in range(model.layers)
    ]


def _recurrence(weights: Mapping[str, Array], end: str, cell: str) -> Recurrence:
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"encoder.recurrence.{name}_{end}"]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    gates = 3 if cell == "gru" else 1
    hidden = w_hh.shape[1]
    bias = b_ih + b_hh
    candidate = np.zeros(padded(hidden), np.float32)
    if cell == "gru":
        bias[2 * hidden :] = b_ih[2 * hidden :]
        candidate[:hidden] = b_hh[2 * hidden :]
    inputs, long = affine(w_ih, bias, gates)
    recurrent, _ = affine(w_hh, bias, gates)
    return Recurrence(Fixed(inputs), Fixed(long), Fixed(recurrent), Fixed(candidate))


def branches(weights: Mapping[str, Array], model: ModelConfig) -> list[list[tuple[Array, Array]]]:
    """Return panels and bias of each block of each branch, batch normalisation within them."""
    return [
        [_block(weights, f"encoder.branches.{branch}.{block}") for block in range(model.blocks)]
        for branch in range(len(model.kernel_sizes))
    ]


def _block(weights: Mapping[str, Array], start: str) -> tuple[Array, Array]:
    weight = weights[f"{start}.convolution.weight"].astype(np.float64)
    scale = weights[f"{start}.norm.weight"] / np.sqrt(
        weights[f"{start}.norm.running_var"].astype(np.float64) + _EPSILON
    )
    shift = weights[f"{start}.convolution.bias"] - weights[f"{start}.norm.running_mean"].astype(
        np.float64
    )
    bias = shift * scale + weights[f"{start}.norm.bias"]
    # (output_dim, input_dim, kernel_size): a window's taps stand behind each other.
    flat = weight.transpose(0, 2, 1).reshape(len(weight), -1) * scale[:, None]
    return affine(flat.astype(np.float32), bias.astype(np.float32))
