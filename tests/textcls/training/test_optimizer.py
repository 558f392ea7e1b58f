"""Row-sparse Adam against torch's dense and sparse Adam, and clipping against torch's own."""

import pytest
import torch
from torch import Tensor, nn

from textcls.training import _optimizer

ROWS, DIM = 12, 5
RATE, ROW_RATE = 0.05, 0.02


def parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(7))]


def table() -> Tensor:
    return torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(1))


def gradients(step: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Gradients of the parameters; some rows, always with row 3, and their gradient."""
    g = torch.Generator().manual_seed(100 + step)
    chosen = [r for r in torch.randperm(ROWS, generator=g).tolist() if r != 3][: 1 + step % 5]
    rows = torch.tensor([3, *chosen], dtype=torch.int32)
    dense = [torch.randn(p.shape, generator=g) for p in parameters()]
    return dense, rows, torch.randn(len(rows), DIM, generator=g)


def backward(p: nn.Parameter, gradient: Tensor) -> None:
    """Leave a gradient as torch does: added to the one that is there, or as it is."""
    if p.grad is None:
        p.grad = gradient
    else:
        p.grad.add_(gradient)


def ours(*, compiled: bool, steps: int = 8, max_norm: float = 1e9, frozen: int = 0):
    params, embeddings = parameters(), table()
    adam = _optimizer.create_optimizer(params, embeddings, max_norm, compiled=compiled)
    for step in range(steps):
        dense, rows, row_gradient = gradients(step)
        for p, g in zip(params, dense, strict=True):
            backward(p, g)
        adam.step(RATE, rows, None if step < frozen else row_gradient, ROW_RATE)
    return params, embeddings


@pytest.mark.parametrize("compiled", [True, False])
def test_dense_parameters_follow_torch_adam(*, compiled: bool) -> None:
    params, _ = ours(compiled=compiled)
    expected = parameters()
    adam = torch.optim.Adam(expected, RATE)
    for step in range(8):
        for p, g in zip(expected, gradients(step)[0], strict=True):
            p.grad = g
        adam.step()
    torch.testing.assert_close(params, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
def test_rows_follow_torch_sparse_adam(*, compiled: bool) -> None:
    _, embeddings = ours(compiled=compiled)
    expected = nn.Parameter(table())
    adam = torch.optim.SparseAdam([expected], ROW_RATE)
    for step in range(8):
        _, rows, g = gradients(step)
        expected.grad = torch.sparse_coo_tensor(
            rows[None].long(), g, (ROWS, DIM), check_invariants=True
        )
        adam.step()
    torch.testing.assert_close(embeddings, expected.data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_row_in_every_batch_moves_as_under_dense_adam(*, compiled: bool) -> None:
    _, embeddings = ours(compiled=compiled)
    expected = nn.Parameter(table())
    adam = torch.optim.Adam([expected], ROW_RATE)
    for step in range(8):
        _, rows, g = gradients(step)
        expected.grad = torch.zeros_like(expected).index_add(0, rows.long(), g)
        adam.step()
    torch.testing.assert_close(embeddings[3], expected[3].data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
def test_untouched_rows_stay(*, compiled: bool) -> None:
    _, embeddings = ours(compiled=compiled, steps=2)
    touched = {r for step in range(2) for r in gradients(step)[1].tolist()}
    for row in range(ROWS):
        assert torch.equal(embeddings[row], table()[row]) == (row not in touched)


@pytest.mark.parametrize("compiled", [True, False])
def test_clipping_covers_everything_together(*, compiled: bool) -> None:
    """One clipped step equals a step on gradients that torch clipped, rows included."""
    params, embeddings = ours(compiled=compiled, steps=1, max_norm=0.5)
    dense, rows, row_gradient = gradients(0)
    expected = [*parameters(), nn.Parameter(table()[rows])]
    for p, g in zip(expected, [*dense, row_gradient], strict=True):
        p.grad = g
    norm = nn.utils.clip_grad_norm_(expected, 0.5)
    assert norm > 0.5
    adam = torch.optim.Adam(
        [{"params": expected[:2]}, {"params": expected[2:], "lr": ROW_RATE}], RATE
    )
    adam.step()
    torch.testing.assert_close(params, expected[:2], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(embeddings[rows], expected[2].data, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
def test_frozen_rows_stay_and_their_count_starts_later(*, compiled: bool) -> None:
    _, embeddings = ours(compiled=compiled, steps=3, frozen=3)
    assert torch.equal(embeddings, table())
    _, embeddings = ours(compiled=compiled, steps=4, frozen=3)
    _, rows, g = gradients(3)
    # The first step of Adam moves every entry by the learning rate.
    moved = embeddings[rows] - table()[rows]
    torch.testing.assert_close(moved, -ROW_RATE * g.sign(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_state_goes_on_where_it_was(*, compiled: bool) -> None:
    def run(interrupted: bool) -> Tensor:
        params, embeddings = parameters(), table()
        adam = _optimizer.create_optimizer(params, embeddings, 1.0, compiled=compiled)
        for step in range(6):
            if interrupted and step == 3:
                state = {k: v.clone() for k, v in adam.state().items()}
                params = [nn.Parameter(p.detach().clone()) for p in params]
                adam = _optimizer.create_optimizer(params, embeddings, 1.0, compiled=compiled)
                adam.load_state(state)
            dense, rows, g = gradients(step)
            for p, d in zip(params, dense, strict=True):
                backward(p, d)
            adam.step(RATE, rows, g, ROW_RATE)
        return torch.cat([*(p.detach().flatten() for p in params), embeddings.flatten()])

    assert torch.equal(run(interrupted=False), run(interrupted=True))
