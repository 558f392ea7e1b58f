"""Build a classifier's ONNX graph of its weights, node by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from textcls.runtime.bundle_files import BundleFiles, Calibration

Array = np.ndarray[Any, Any]
_OPSET, _IR = 17, 8
_FIRST, _SECOND, _SHIFT = 0x9E3779B1, 0x85EBCA77, 15  # as `textcls.models._ngrams` hashes
_EPSILON = 1e-5  # of torch's batch normalisation


class _Graph:
    """Collects nodes and constants; each method returns the name of a node's output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), **settings: Any) -> str:
        """Add a node; return the name of its first output."""
        names = list(outputs) or [f"{kind.lower()}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **settings))
        return names[0] or names[-1]

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(np.asarray(values, kind))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values: int) -> str:
        """Add a vector of integers."""
        return self.constant(values, np.int64)

    def mask(self, states: str, axis: int, lengths: str) -> str:
        """Return which places along an axis of size (texts, ...) lie within the texts, as bools."""
        shape = self.add("Shape", states)
        size = self.add("Gather", shape, self.constant(axis, np.int64))
        zero, one = self.constant(0, np.int64), self.constant(1, np.int64)
        places = self.add("Range", zero, size, one)
        return self.add("Less", places, self.add("Unsqueeze", lengths, self.ints(1)))


def build_model(files: BundleFiles) -> ModelProto:
    """Return the classifier as an ONNX model.

    Inputs: `tokens` int64 (texts, time), padded behind with 0; `lengths` int64 (texts,), at least
    1; with a linear classifier also `columns` int64 and `values` float32 (texts, features), padded
    with the number of features and 0. Outputs: `logits` and `probabilities`, float32 (texts,
    classes).

    Args:
        files: The checked content of a bundle.
    """
    graph, model, weights = _Graph(), files.description.model, files.weights
    inputs = [("tokens", TensorProto.INT64, ["texts", "time"]),
              ("lengths", TensorProto.INT64, ["texts"])]  # fmt: skip
    rows = graph.add("Gather", graph.constant(weights["embeddings"]), "tokens")
    encode = _convolved if model.name == "cnn" else _recurrent
    vectors = encode(graph, files, rows)
    logits = graph.add(
        "Gemm",
        vectors,
        graph.constant(weights["output.weight"]),
        graph.constant(weights["output.bias"]),
        transB=1,
    )
    if model.ngrams:
        scores = _ngram_scores(graph, weights["ngrams.table"], model.ngrams)
        logits = graph.add("Add", logits, scores)
    if files.linear is not None:
        inputs += [("columns", TensorProto.INT64, ["texts", "features"]),
                   ("values", TensorProto.FLOAT, ["texts", "features"])]  # fmt: skip
        scores = _linear_scores(graph, files.linear["weights"], model.linear_weight)
        logits = graph.add("Add", graph.add("LogSoftmax", logits, axis=1), scores)
    graph.add("Identity", logits, outputs=["logits"])
    classes = len(files.description.label_names)
    cooled = _cooled(graph, logits, files.description.calibration, classes)
    graph.add("Softmax", cooled, outputs=["probabilities"], axis=1)
    made = helper.make_graph(
        graph.nodes,
        "classifier",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["texts", classes])
            for name in ("logits", "probabilities")
        ],
        graph.constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


def _cooled(graph: _Graph, logits: str, found: Calibration | None, classes: int) -> str:
    """Return logits (texts, classes) divided by the temperature of each text."""
    if found is None:
        return graph.add("Identity", logits)
    temperature = graph.constant(found.temperature)
    if found.margin_power and classes > 1:
        most = [f"{logits}_{name}" for name in ("most", "which")]
        graph.add("TopK", logits, graph.ints(2), outputs=most, axis=1)
        gap = graph.add("MatMul", most[0], graph.constant([[1.0], [-1.0]]))
        power = graph.constant(found.margin_power)
        grown = graph.add("Pow", graph.add("Add", gap, graph.constant(1.0)), power)
        temperature = graph.add("Mul", grown, temperature)
    return graph.add("Div", logits, temperature)


def _recurrent(graph: _Graph, files: BundleFiles, rows: str) -> str:
    """(texts, time, dim) -> (texts, output_dim)."""
    model, weights = files.description.model, files.weights
    ends = ("", "_reverse") if model.bidirectional else ("",)
    states = graph.add("Transpose", rows, perm=[1, 0, 2])
    short = graph.add("Cast", "lengths", to=TensorProto.INT32)
    final = ""
    for layer in range(model.layers):
        inputs, recurrent, bias = (
            graph.constant(np.stack([each[part] for each in (
                _cell(weights, f"l{layer}{end}", model.name) for end in ends)]))
            for part in range(3)
        )  # fmt: skip
        every, final = f"states_{layer}", f"final_{layer}"
        settings: dict[str, Any] = {"linear_before_reset": 1} if model.name == "gru" else {}
        graph.add(
            "GRU" if model.name == "gru" else "RNN",
            *(states, inputs, recurrent, bias, short),
            outputs=[every, final],
            hidden_size=model.hidden_size,
            direction="bidirectional" if model.bidirectional else "forward",
            **settings,
        )
        # (time, directions, texts, hidden) -> (time, texts, directions * hidden)
        turned = graph.add("Transpose", every, perm=[0, 2, 1, 3])
        states = graph.add("Reshape", turned, graph.ints(0, 0, len(ends) * model.hidden_size))
    if model.pooling == "last":
        turned = graph.add("Transpose", final, perm=[1, 0, 2])
        return graph.add("Reshape", turned, graph.ints(0, len(ends) * model.hidden_size))
    return _pooled(graph, graph.add("Transpose", states, perm=[1, 0, 2]), "lengths", model.pooling)


def _cell(weights: Mapping[str, Array], end: str, name: str) -> tuple[Array, Array, Array]:
    """Return input weights, recurrent weights and both biases, gates in the order of ONNX."""
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"encoder.recurrence.{part}_{end}"]
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    if name == "gru":  # torch has reset, update, new; ONNX update, reset, new
        hidden = w_hh.shape[1]
        order = np.r_[hidden : 2 * hidden, :hidden, 2 * hidden : 3 * hidden]
        w_ih, w_hh, b_ih, b_hh = w_ih[order], w_hh[order], b_ih[order], b_hh[order]
    return w_ih, w_hh, np.concatenate([b_ih, b_hh])


def _convolved(graph: _Graph, files: BundleFiles, rows: str) -> str:
    """(texts, time, dim) -> (texts, output_dim)."""
    model, weights = files.description.model, files.weights
    found = []
    for branch, size in enumerate(model.kernel_sizes):
        lengths, states = "lengths", _zeroed(graph, rows, "lengths")
        for block in range(model.blocks):
            kernel, bias = _block(weights, f"encoder.branches.{branch}.{block}")
            turned = graph.add("Transpose", states, perm=[0, 2, 1])
            before = (size - 1) // 2
            out = graph.add(
                "Conv",
                turned,
                graph.constant(kernel),
                graph.constant(bias),
                strides=[2],
                pads=[before, size],  # more than enough behind: what is too much is cut off below
            )
            states = graph.add("Transpose", graph.add("Relu", out), perm=[0, 2, 1])
            one, two = graph.constant(1, np.int64), graph.constant(2, np.int64)
            lengths = graph.add("Div", graph.add("Add", lengths, one), two)
            states = _zeroed(graph, states, lengths)
        found.append(_pooled(graph, states, lengths, "mean" if model.pooling == "mean" else "max"))
    return graph.add("Concat", *found, axis=1)


def _block(weights: Mapping[str, Array], start: str) -> tuple[Array, Array]:
    """Return a convolution's weights and bias, batch normalisation within them."""
    part = {name: weights[f"{start}.{name}"].astype(np.float64) for name in (
        "convolution.weight", "convolution.bias", "norm.weight", "norm.bias",
        "norm.running_mean", "norm.running_var")}  # fmt: skip
    scale = part["norm.weight"] / np.sqrt(part["norm.running_var"] + _EPSILON)
    shifted = part["convolution.bias"] - part["norm.running_mean"]
    return part["convolution.weight"] * scale[:, None, None], shifted * scale + part["norm.bias"]


def _zeroed(graph: _Graph, states: str, lengths: str) -> str:
    """Return (texts, time, dim) with zeros behind each text's end."""
    mask = graph.add("Unsqueeze", graph.mask(states, 1, lengths), graph.ints(2))
    return graph.add("Where", mask, states, graph.constant(0.0))


def _pooled(graph: _Graph, states: str, lengths: str, pooling: str) -> str:
    """(texts, time, dim) -> (texts, dim): the maximum or mean over each text."""
    mask = graph.add("Unsqueeze", graph.mask(states, 1, lengths), graph.ints(2))
    if pooling == "max":
        low = graph.add("Where", mask, states, graph.constant(-np.inf))
        return graph.add("ReduceMax", low, axes=[1], keepdims=0)
    inside = graph.add("Where", mask, states, graph.constant(0.0))
    total = graph.add("ReduceSum", inside, graph.ints(1), keepdims=0)
    count = graph.add("Cast", lengths, to=TensorProto.FLOAT)
    return graph.add("Div", total, graph.add("Unsqueeze", count, graph.ints(1)))


def _ngram_scores(graph: _Graph, table: Array, longest: int) -> str:
    """Return the scores of words and pairs, (texts, classes)."""
    long = {"table": graph.constant(table), "second": graph.constant(_SECOND, np.int64)}
    long |= {"shift": graph.constant(1 << _SHIFT, np.int64)}
    long |= {"buckets": graph.constant(len(table), np.int64)}
    one, zero = graph.constant(1, np.int64), graph.constant(0, np.int64)

    def summed(number: str, lengths: str) -> str:
        bucket = graph.add("Mod", graph.add("Div", number, long["shift"]), long["buckets"])
        rows = _zeroed(graph, graph.add("Gather", long["table"], bucket), lengths)
        return graph.add("ReduceSum", rows, graph.ints(1), keepdims=0)

    words = graph.add("Mul", "tokens", long["second"])
    total, count = summed(words, "lengths"), "lengths"
    if longest == 2:
        far = graph.ints(np.iinfo(np.int64).max)
        here = graph.add("Slice", words, graph.ints(1), far, graph.ints(1))
        before = graph.add("Slice", "tokens", graph.ints(0), graph.ints(-1), graph.ints(1))
        first = graph.add("Mul", before, graph.constant(_FIRST, np.int64))
        fewer = graph.add("Max", graph.add("Sub", "lengths", one), zero)
        total = graph.add("Add", total, summed(graph.add("Add", first, here), fewer))
        count = graph.add("Add", "lengths", fewer)
    root = graph.add("Sqrt", graph.add("Cast", count, to=TensorProto.FLOAT))
    return graph.add("Div", total, graph.add("Unsqueeze", root, graph.ints(1)))


def _linear_scores(graph: _Graph, weights: Array, factor: float) -> str:
    """Return the linear classifier's scores times their factor, (texts, classes)."""
    scaled = weights.astype(np.float64) * factor
    table = graph.constant(np.concatenate([scaled[:-1], np.zeros_like(scaled[:1])]))
    rows = graph.add("Gather", table, "columns")
    products = graph.add("Mul", rows, graph.add("Unsqueeze", "values", graph.ints(2)))
    total = graph.add("ReduceSum", products, graph.ints(1), keepdims=0)
    return graph.add("Add", total, graph.constant(scaled[-1]))
