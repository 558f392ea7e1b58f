"""An exported classifier: a folder that predicts, in any process, without the data it came from.

`classifier.safetensors` holds the weights, `bundle.json` what they mean: the format's version, the
model, the label names, how texts are cut, and where it all came from; `vocabulary.json` the words
in the order of their ids; `linear.safetensors`, where the model wants one, the linear classifier
beside the encoder, and `linear_vocabulary.json` its words, where it read more of each text. No
pickle anywhere. The folder is written beside and renamed.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import ne
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from textcls.config.models import DataConfig, ModelConfig
from textcls.corpus import Corpus
from textcls.exceptions import BundleError
from textcls.models.classifier import Classifier
from textcls.models.linear import LinearClassifier
from textcls.text.encoding import WHOLE_LENGTH, EncodedSplit
from textcls.text.tokenizer import CHARACTERS, WORDPUNCT, lower_case, tokenize_cased
from textcls.text.vocabulary import UNK, Vocabulary
from textcls.training import trainer
from textcls.training.tensor_files import save_tensors

FORMAT = 1
_WEIGHTS, _ABOUT, _WORDS = "classifier.safetensors", "bundle.json", "vocabulary.json"
_LINEAR, _LINEAR_WORDS = "linear.safetensors", "linear_vocabulary.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A classifier with everything that it needs to read a text."""

    classifier: Classifier
    vocabulary: Vocabulary
    label_names: tuple[str, ...]
    max_length: int
    about: dict[str, Any]
    linear: LinearClassifier | None = None
    tokenizer: str = WORDPUNCT
    linear_length: int | None = None
    """Tokens that the linear classifier reads; as many as the encoder where that is not known."""
    linear_vocabulary: Vocabulary | None = None
    """Its words, where they are others."""

    def encode(self, texts: Sequence[str]) -> EncodedSplit:
        """Return texts as word ids; their labels are unknown and 0."""
        split = self._ids(texts, self.max_length, self.vocabulary)
        if self.linear is None:
            return split
        length = self.linear_length or self.max_length
        whole = self._ids(texts, length, self.linear_vocabulary or self.vocabulary)
        return replace(split, scores=self.linear.scores(whole))

    def _ids(self, texts: Sequence[str], length: int, vocabulary: Vocabulary) -> EncodedSplit:
        words = [tokenize_cased(text, length, self.tokenizer) or [UNK] for text in texts]
        lower = [lower_case(text) for text in words]
        ids = [word for text in lower for word in vocabulary.encode(text)]
        return EncodedSplit(
            np.array(ids, np.int32),
            np.cumsum([0, *map(len, words)], dtype=np.int64),
            np.zeros(len(words), np.int64),
            capitals=np.fromiter(map(ne, chain(*words), chain(*lower)), np.bool_),
        )

    def logits(self, texts: Sequence[str]) -> torch.Tensor:
        """Return logits (texts, classes) in the order of `label_names`."""
        if not texts:
            return torch.zeros(0, len(self.label_names))
        return trainer.predict_logits(self.classifier, self.encode(texts), "cpu")

    def probabilities(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return probabilities, float32 (texts, classes), in the order of `label_names`."""
        found: np.ndarray[Any, Any] = self.logits(texts).softmax(dim=1).numpy()
        return found


def export_bundle(
    checkpoint: Path,
    model: ModelConfig,
    corpus: Corpus,
    data: DataConfig,
    out: Path,
    about: Mapping[str, Any],
) -> None:
    """Make a bundle of a training's checkpoint; a bundle that is already at `out` is replaced.

    Args:
        checkpoint: The file that `Training.save` wrote.
        model: The settings of the classifier in it.
        corpus: The corpus that it was trained on.
        data: How texts become tokens.
        out: The folder to write.
        about: Facts to keep with the bundle (JSON-able).

    Raises:
        BundleError: The checkpoint is damaged.
    """
    _, tensors = trainer.read_checkpoint(checkpoint)
    weights = {
        name.removeprefix("classifier."): tensor
        for name, tensor in tensors.items()
        if name.startswith("classifier.")
    }
    if model.linear_weight > 0 and corpus.linear is None:
        raise ValueError("the corpus has no linear classifier, but the model wants one")
    _write(
        out,
        weights,
        model,
        corpus.vocabulary,
        corpus.label_names,
        {
            "max_length": data.max_length,
            "tokenizer": corpus.tokenizer,
            "linear_length": WHOLE_LENGTH,
        },
        about,
        corpus.linear if model.linear_weight > 0 else None,
        None if corpus.whole is None else corpus.whole.vocabulary,
    )


def save_bundle(bundle: Bundle, model: ModelConfig, out: Path) -> None:
    """Write a bundle to a folder; a bundle that stands there is replaced."""
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in bundle.classifier.state_dict().items()
    }
    _write(
        out,
        weights,
        model,
        bundle.vocabulary,
        bundle.label_names,
        {
            "max_length": bundle.max_length,
            "tokenizer": bundle.tokenizer,
            "linear_length": bundle.linear_length,
        },
        bundle.about,
        bundle.linear,
        bundle.linear_vocabulary,
    )


def _write(
    out: Path,
    weights: dict[str, torch.Tensor],
    model: ModelConfig,
    vocabulary: Vocabulary,
    label_names: Sequence[str],
    reading: Mapping[str, Any],
    about: Mapping[str, Any],
    linear: LinearClassifier | None,
    linear_vocabulary: Vocabulary | None,
) -> None:
    description = {
        "format": FORMAT,
        "model": model.model_dump(mode="json"),
        "label_names": list(label_names),
        **reading,
        "about": dict(about),
    }
    draft = out.with_name(out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_tensors(weights, draft / _WEIGHTS)
    if linear is not None:
        arrays = {name: torch.from_numpy(np.array(a)) for name, a in linear.arrays().items()}
        save_tensors(arrays, draft / _LINEAR)
        if linear_vocabulary is not None:
            words = linear_vocabulary.words
            (draft / _LINEAR_WORDS).write_text(_json(words), encoding="utf-8")
    (draft / _ABOUT).write_text(_json(description), encoding="utf-8")
    (draft / _WORDS).write_text(_json(vocabulary.words), encoding="utf-8")
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    draft.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def load_bundle(folder: Path, *, compiled: bool = False) -> Bundle:
    """Load a bundle, ready to predict on the CPU.

    Args:
        folder: The folder that `export_bundle` wrote.
        compiled: Use the compiled kernels, which pays from some thousand texts; plain torch starts
            at once.

    Raises:
        BundleError: The folder is missing, damaged or of another format.
    """
    about = _read_json(folder, _ABOUT)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else about
        raise BundleError(f"{folder / _ABOUT}: format must be {FORMAT}, but is {found!r}")
    try:
        weights = load_file(folder / _WEIGHTS)
        vocabulary = Vocabulary(tuple(_read_json(folder, _WORDS)))
        model = ModelConfig.model_validate(about["model"])
        label_names = tuple(about["label_names"])
        matrix = weights["embeddings"]
        if len(matrix) != len(vocabulary):
            raise BundleError(
                f"{folder}: {len(matrix)} vectors do not fit {len(vocabulary)} words of {_WORDS}"
            )
        built = Classifier(matrix, len(label_names), model, compiled=compiled)
        built.load_state_dict(weights)
        max_length = int(about["max_length"])
        linear, linear_vocabulary = None, None
        if model.linear_weight > 0:
            linear = LinearClassifier.of(load_arrays(folder / _LINEAR))
            linear.check(len(label_names))
            if (folder / _LINEAR_WORDS).exists():
                linear_vocabulary = Vocabulary(tuple(_read_json(folder, _LINEAR_WORDS)))
        # Bundles of before these keys were written cut words, and everything at the same length.
        tokenizer, linear_length = about.get("tokenizer", WORDPUNCT), about.get("linear_length")
        if tokenizer not in (WORDPUNCT, CHARACTERS):
            raise BundleError(f"{folder / _ABOUT}: no tokenizer is called {tokenizer!r}")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise BundleError(f"{folder}: the classifier cannot be read: {reason}") from error
    return Bundle(
        built.eval(),
        vocabulary,
        label_names,
        max_length,
        about["about"],
        linear,
        tokenizer,
        linear_length,
        linear_vocabulary,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _read_json(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(f"{folder}: not a classifier folder, {name} is missing") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / name}: cannot be read: {error}") from error
