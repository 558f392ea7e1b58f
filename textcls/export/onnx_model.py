"""Write a classifier as an ONNX model with a description beside it, checked by onnxruntime."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from textcls.analysis.linear_terms import terms_of
from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import Description
from textcls.runtime.predictor import Predictor
from textcls.text.tokenizer import tokenize_cased

Array = np.ndarray[Any, Any]
TOLERANCE = 1e-4
"""By how much logits may differ from those of `predict`, absolutely and relatively."""
_LARGEST = 2_000_000_000  # bytes of one ONNX file
_AT_ONCE = 64
_RULES = {
    "wordpunct": r"runs of letters, digits and _ (\w+), and runs of punctuation ([^\w\s]+), in "
    "Unicode; each token in lower case by itself",
    "characters": "as wordpunct, but each character of Chinese, Japanese, Thai, Lao, Khmer and "
    "Burmese, with its marks, and each syllable of Korean is a token",
}
_FEATURES = (
    "Of a text's tokens: each word's id; that id | 1 << 60 where the token is not in lower case; "
    "for each pair first << 32 | second. If any key is above 1 << 61, also the n-grams of 2 to 5 "
    "characters of each token in lower case between two blanks, hashed by FNV-1a over code points "
    "with h ^= h >> 29 at last, its lower 60 bits | 1 << 61. Unknown keys are left out. A value is "
    "(1 + log of the occurrences) * idf; words and n-grams are each scaled to length 1, or to "
    "sqrt(0.5) where there are both. columns: the position of each key in keys."
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many texts the model was compared with `predict`, and by how much logits differ."""

    texts: int
    largest: float


def model_inputs(predictor: Predictor, texts: Sequence[str]) -> dict[str, Array]:
    """Return the inputs of the ONNX model for some texts.

    Args:
        predictor: The classifier of which the model was made.
        texts: At least one.

    Returns:
        "tokens", int64 (texts, longest), word ids with zeros behind a text's end; "lengths", int64
        (texts,). With a linear classifier also "columns", int64 (texts, most features), whose rows
        are filled up with a column that does not exist, and "values", float32 of the same shape.
    """
    ids = [predictor.token_ids(text) for text in texts]
    lengths = np.array([len(each.encoder) for each in ids], np.int64)
    tokens = np.zeros((len(texts), int(lengths.max())), np.int64)
    for row, each in zip(tokens, ids, strict=True):
        row[: len(each.encoder)] = each.encoder
    found: dict[str, Array] = {"tokens": tokens, "lengths": lengths}
    files = predictor.files
    if files.linear is None:
        return found
    description = files.description
    limit = description.linear_length or description.max_length
    terms = [
        terms_of(
            files.linear,
            each,
            [t.lower() for t in tokenize_cased(text, limit, description.tokenizer)],
        )
        for text, each in zip(texts, ids, strict=True)
    ]
    shape = (len(texts), max(1, *map(len, terms)))
    columns = np.full(shape, len(files.linear["keys"]), np.int64)
    values = np.zeros(shape, np.float32)
    for at, some in enumerate(terms):
        columns[at, : len(some)] = [term.column for term in some]
        values[at, : len(some)] = [term.value for term in some]
    return found | {"columns": columns, "values": values}


def export_onnx(predictor: Predictor, out: Path, texts: Sequence[str]) -> Agreement:
    """Write FILE, and FILE.json beside it; neither stays where the model predicts otherwise.

    A linear classifier's keys and idf, which make its inputs, are in FILE.features.npz.

    Args:
        predictor: The classifier.
        out: The ONNX file.
        texts: Those on which it is compared with `predict`.

    Returns:
        On how many texts both were compared, and by how much their logits differ.

    Raises:
        BundleError: The classifier cannot be exported, or the exported one predicts otherwise.
        OSError: A file cannot be written.
    """
    try:
        import onnxruntime

        from textcls.export._graph import build_model
    except ImportError as error:
        raise BundleError(
            f"--onnx needs the packages onnx and onnxruntime ({error}): "
            "pip install 'textcls-tune[onnx]'"
        ) from error
    files = predictor.files
    size = sum(each.nbytes for each in files.weights.values())
    size += 0 if files.linear is None else files.linear["weights"].nbytes
    if size > _LARGEST:
        raise BundleError(f"{size:,} bytes of weights do not fit one ONNX file, which holds 2 GB")
    content = build_model(files).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    agreement = _compare(predictor, session, texts)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        written = [Path(scratch) / out.name]
        written[0].write_bytes(content)
        if files.linear is not None:
            written.append(Path(scratch) / (out.name + ".features.npz"))
            np.savez_compressed(written[1], keys=files.linear["keys"], idf=files.linear["idf"])
        text = json.dumps(_description(predictor, agreement, out), ensure_ascii=False, indent=1)
        written.append(Path(scratch) / (out.name + ".json"))
        written[-1].write_text(text + "\n", encoding="utf-8")
        _put_in_place(written, out.parent)
    return agreement


def _put_in_place(written: Sequence[Path], folder: Path) -> None:
    """Move files that belong together to a folder: all of them, or none."""
    moved: list[Path] = []
    try:
        for path in written:
            path.replace(folder / path.name)
            moved += [folder / path.name]
    except OSError:
        for path in moved:
            path.unlink()
        raise


def _compare(predictor: Predictor, session: Any, texts: Sequence[str]) -> Agreement:
    largest = 0.0
    for begin in range(0, len(texts), _AT_ONCE):
        some = list(texts[begin : begin + _AT_ONCE])
        ours = predictor.logits(some)
        (theirs,) = session.run(["logits"], model_inputs(predictor, some))
        gap = np.abs(ours - theirs) - TOLERANCE * np.abs(ours)
        sure = np.sort(ours, axis=1)
        close = sure[:, -1] - sure[:, -2] < 2 * TOLERANCE if ours.shape[1] > 1 else True
        same = (ours.argmax(axis=1) == theirs.argmax(axis=1)) | close
        worst = float(np.abs(ours - theirs).max())
        if not math.isfinite(worst) or gap.max() > TOLERANCE or not same.all():
            raise BundleError(
                f"the ONNX model predicts otherwise: logits differ by up to {worst:g}, and at most "
                f"{TOLERANCE:g} is allowed; nothing was written"
            )
        largest = max(largest, worst)
    return Agreement(len(texts), largest)


def _rule(description: Description) -> str:
    found = description.calibration
    if found is None:
        return "softmax of logits"
    if not found.margin_power:
        return f"softmax of logits / {found.temperature:g}"
    return (
        f"softmax of logits / ({found.temperature:g} * (1 + gap) ** {found.margin_power:g}), where "
        "gap is that between the two largest logits"
    )


def _description(predictor: Predictor, agreement: Agreement, out: Path) -> dict[str, Any]:
    files = predictor.files
    description = files.description
    found: dict[str, Any] = {
        "label_names": list(description.label_names),
        "tokenizer": {
            "name": description.tokenizer,
            "rule": _RULES[description.tokenizer],
            "max_length": description.max_length,
        },
        "vocabulary": list(files.words),
        "unknown": "a token outside of the vocabulary is <unk>; a text without tokens is one <unk>",
        "inputs": {
            "tokens": "int64 (texts, time): ids, padded behind with 0",
            "lengths": "int64 (texts,): tokens of each text, at least 1",
        },
        "outputs": {
            "logits": "float32 (texts, classes)",
            "probabilities": _rule(description),
        },
        "compared": {"texts": agreement.texts, "largest_difference": agreement.largest},
    }
    if files.linear is not None:
        found["inputs"] |= {
            "columns": "int64 (texts, features): padded with the number of keys",
            "values": "float32 (texts, features): padded with 0",
        }
        found["linear"] = {
            "features": _FEATURES,
            "keys_and_idf": out.name + ".features.npz",
            "max_length": description.linear_length or description.max_length,
            "vocabulary": None if files.linear_words is None else list(files.linear_words),
        }
    return found
