"""The encoders against their formulas written out, and the compiled path against plain torch."""

from typing import Any

import numpy as np
import pytest
import torch
from classifier_parts import VOCABULARY, one_batch, split, words_of
from torch import Tensor
from torch.nn import functional

from textcls.config.models import ModelConfig
from textcls.models import _encoders
from textcls.text.encoding import EncodedSplit

DIM = 6
TEXTS = split([7, 1, 4, 7, 2])
ORDER = [0, 3, 2, 4, 1]  # longest first, as the batch has them

MODELS = [
    pytest.param(
        ModelConfig(name=name, hidden_size=5, pooling=pooling, **more),
        id=f"{name}-{pooling}-{more}",
    )
    for name in ("rnn", "gru")
    for pooling in ("last", "max", "mean")
    for more in ({}, {"bidirectional": True}, {"layers": 2, "bidirectional": True})
] + [
    pytest.param(ModelConfig(name="cnn", hidden_size=5, **more), id=f"cnn-{more}")
    for more in ({}, {"pooling": "mean"}, {"kernel_sizes": (2, 3, 5), "blocks": 2})
]


def embeddings() -> Tensor:
    return torch.randn(VOCABULARY, DIM, generator=torch.Generator().manual_seed(0))


def encoder(model: ModelConfig, *, compiled: bool) -> _encoders.Encoder:
    torch.manual_seed(1)
    return _encoders.build_encoder(DIM, model, compiled=compiled)


def run(model: ModelConfig, *, compiled: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Output and all gradients of a weighted sum of it."""
    built = encoder(model, compiled=compiled)
    batch = one_batch(TEXTS)
    rows = embeddings()[batch.rows].requires_grad_()
    out = built(rows, batch)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    (out * weights).sum().backward()
    gradients = {name: p.grad for name, p in built.named_parameters()}
    return out.detach(), gradients | {"rows": rows.grad}


@pytest.mark.parametrize("model", MODELS)
def test_the_compiled_path_equals_plain_torch(model: ModelConfig) -> None:
    out, gradients = run(model, compiled=True)
    expected, expected_gradients = run(model, compiled=False)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_a_text_alone_equals_the_text_in_a_batch(model: ModelConfig, *, compiled: bool) -> None:
    built = encoder(model, compiled=compiled).eval()
    table = embeddings()

    def encode(texts: EncodedSplit) -> Tensor:
        batch = one_batch(texts)
        return built(table[batch.rows], batch)

    together = encode(TEXTS)
    for place, text in enumerate(ORDER):
        words = np.array(words_of(TEXTS, text), np.int32)
        alone = EncodedSplit(words, np.array([0, len(words)]), np.zeros(1, np.int64))
        torch.testing.assert_close(encode(alone)[0], together[place], rtol=1e-4, atol=1e-5)


def states_written_out(built: Any, name: str, x: Tensor) -> Tensor:
    """The recurrence as the reference experiment defines it: (time, dim) -> (time, hidden)."""
    r = built.recurrence
    w_ih, w_hh, b_ih, b_hh = (
        getattr(r, n + "_l0") for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h = torch.zeros(r.hidden_size)
    states = []
    for x_t in x:
        if name == "rnn":
            h = torch.tanh(x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
        else:
            (xr, xz, xn), (hr, hz, hn) = (
                (v @ w.T + b).chunk(3) for v, w, b in ((x_t, w_ih, b_ih), (h, w_hh, b_hh))
            )
            reset, update = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            h = (1 - update) * torch.tanh(xn + reset * hn) + update * h
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("name", ["rnn", "gru"])
@pytest.mark.parametrize(
    ("pooling", "pooled"),
    [("last", lambda s: s[-1]), ("max", lambda s: s.amax(0)), ("mean", lambda s: s.mean(0))],
)
def test_recurrent_encoder_equals_its_formula(name: Any, pooling: Any, pooled: Any) -> None:
    model = ModelConfig(name=name, hidden_size=5, pooling=pooling)
    built, batch = encoder(model, compiled=True), one_batch(TEXTS)
    rows = embeddings()[batch.rows].requires_grad_()
    out = built(rows, batch)
    table = embeddings().requires_grad_()
    expected = torch.stack(
        [pooled(states_written_out(built, name, table[words_of(TEXTS, i)])) for i in ORDER]
    )
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    parameters = list(built.parameters())
    got = torch.autograd.grad((out**2).sum(), [rows, *parameters])
    wanted = torch.autograd.grad((expected**2).sum(), [table, *parameters])
    torch.testing.assert_close(got[0], wanted[0][batch.rows], rtol=1e-3, atol=1e-5)
    for ours, theirs in zip(got[1:], wanted[1:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_convolution_equals_conv1d_text_by_text() -> None:
    model = ModelConfig(name="cnn", hidden_size=5, blocks=1)
    built = encoder(model, compiled=True).eval()
    block = built.branches[0][0]
    block.norm.running_mean.uniform_(-1, 1)
    block.norm.running_var.uniform_(0.5, 2)
    batch, table = one_batch(TEXTS), embeddings()
    conv = block.convolution
    for place, text in enumerate(ORDER):
        x = table[words_of(TEXTS, text)].T[None]
        y = functional.conv1d(x, conv.weight, conv.bias, stride=2, padding=1)
        y = functional.relu(block.norm(y)).amax(2)[0]
        torch.testing.assert_close(built(table[batch.rows], batch)[place], y)


def test_batch_statistics_come_from_words_only() -> None:
    """One long and one short text: the running mean is that of the real positions."""
    built = encoder(ModelConfig(name="cnn", hidden_size=5, blocks=1), compiled=True)
    texts, table = split([9, 2]), embeddings()
    batch = one_batch(texts)
    built(table[batch.rows], batch)
    conv, norm = built.branches[0][0].convolution, built.branches[0][0].norm
    positions = torch.cat(
        [
            functional.conv1d(
                table[words_of(texts, i)].T[None], conv.weight, conv.bias, stride=2, padding=1
            )[0].T
            for i in range(2)
        ]
    )
    torch.testing.assert_close(norm.running_mean, 0.1 * positions.mean(0))


def test_a_single_word_trains() -> None:
    built = encoder(ModelConfig(name="cnn", hidden_size=5), compiled=True).train()
    batch = one_batch(split([1]))
    assert torch.isfinite(built(embeddings()[batch.rows], batch)).all()


@pytest.mark.parametrize("name", ["rnn", "gru"])
def test_uniform_init_is_the_reference_experiments_and_default_is_not(name: Any) -> None:
    def weights(init: Any) -> Tensor:
        model = ModelConfig(name=name, hidden_size=50, init=init)
        return torch.cat([p.detach().flatten() for p in encoder(model, compiled=True).parameters()])

    uniform, default = weights("uniform"), weights("default")
    assert 0 <= uniform.min() < 0.01 < 0.99 < uniform.max() <= 1
    assert abs(default.mean()) < 0.02 < default.std() < 0.5


def test_a_plain_rnn_starts_without_saturating() -> None:
    batch = one_batch(split([40] * 8))
    out = encoder(ModelConfig(name="rnn", hidden_size=50), compiled=True)(
        embeddings()[batch.rows], batch
    )
    assert (out.abs() > 0.99).float().mean() < 0.2


def test_frozen_rows_get_no_gradient() -> None:
    batch = one_batch(TEXTS)
    rows = embeddings()[batch.rows]
    built = encoder(ModelConfig(name="gru", hidden_size=5), compiled=True)
    built(rows, batch).sum().backward()
    assert rows.grad is None
    assert all(p.grad is not None for p in built.parameters())
