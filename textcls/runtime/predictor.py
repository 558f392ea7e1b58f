"""A loaded classifier that predicts: numpy and compiled programs, no torch.

A `Predictor` is made of a bundle's checked files, an `EnsemblePredictor` of several. Both turn
texts into probabilities by the same three members: `label_names`, `about` and `probabilities`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.exceptions import BundleError
from textcls.runtime import _weights
from textcls.runtime._encoders import EncoderRunner, LinearScores, NgramTable
from textcls.runtime._machine_code import programs
from textcls.runtime._weights import Fixed
from textcls.runtime._words import Encoded, WordIds
from textcls.runtime.bundle_files import BundleFiles, Description
from textcls.text.vocabulary import UNK_ID

Array = np.ndarray[Any, Any]
TEXTS_AT_ONCE = 2048
"""Texts that are predicted together at most: bounds the memory."""
_CHARACTERS_AT_ONCE = 1 << 22


class Predictor:
    """A classifier that predicts, on the CPU, without torch.

    The result for a text does not depend on the texts beside it, on their order or on the thread,
    bit for bit. An instance may be used from several threads: the work is done outside of Python's
    lock. It can be pickled.

    Args:
        files: The checked files of a bundle (`textcls.runtime.bundle_files.read_bundle`).

    Attributes:
        files: What it was made of.
        label_names: The classes, in the order of the probabilities.
        about: Where the classifier comes from, as its bundle says.
        calibration: The temperature by which logits are divided before they become probabilities;
            None where none was found.

    Example::

        from pathlib import Path
        from textcls.runtime.loading import load_predictor

        predictor = load_predictor(Path("runs/NAME/best"))
        probabilities = predictor.probabilities(["The striker scored twice"])  # (1, classes)
        predictor.label_names[probabilities[0].argmax()]
    """

    def __init__(self, files: BundleFiles) -> None:
        self.files = files
        description = files.description
        self.label_names: tuple[str, ...] = description.label_names
        self.about: Mapping[str, Any] = description.about.model_dump(exclude_unset=True)
        self.calibration = description.calibration
        model, weights = description.model, files.weights
        self._encoder = EncoderRunner(weights, model)
        output, bias = _weights.affine(weights["output.weight"], weights["output.bias"])
        self._output, self._output_bias = Fixed(output), Fixed(bias)
        self._ngrams = NgramTable(weights["ngrams.table"], model.ngrams) if model.ngrams else None
        self._linear = None if files.linear is None else LinearScores(files.linear)
        self._linear_weight = Fixed(np.array([model.linear_weight]))
        self._divisor = Fixed(_temperature_of(description))
        self._length = description.max_length
        self._linear_length = description.linear_length or description.max_length
        self._ids = _SharedIds(files)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.files,)

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Return the calibrated probability of each class for each text.

        A text's row is the same to the last bit, whatever stands beside it.

        Args:
            texts: As people wrote them; an empty one is a text without words.

        Returns:
            float32 (texts, classes), in the order of `label_names`.

        Raises:
            BundleError: The weights give a score that is not finite.
        """
        logits = self.logits(texts)
        out = np.empty_like(logits)
        programs().softmax(logits.ctypes.data, *logits.shape, self._divisor.at, out.ctypes.data)
        return out

    def logits(self, texts: Sequence[str]) -> Array:
        """Return the scores before they become probabilities.

        Args:
            texts: As people wrote them.

        Returns:
            float32 (texts, classes), not yet divided by the temperature.

        Raises:
            BundleError: The weights give a score that is not finite.
        """
        out = np.empty((len(texts), len(self.label_names)), np.float32)
        for begin, end in _portions(texts):
            self._score(texts[begin:end], out[begin:end])
        if not np.isfinite(out).all():
            raise BundleError(
                "the classifier gives a text a score that is not finite; its weights are too large"
            )
        return out

    def _score(self, texts: Sequence[str], out: Array) -> None:
        """Score some texts: those of ASCII are encoded by a program of its own."""
        plain = [text.isascii() for text in texts]
        if all(plain):
            out[:] = self._logits_of(texts, WordIds.encode_ascii)
            return
        for is_plain, encode in ((True, WordIds.encode_ascii), (False, WordIds.encode_any)):
            places = [i for i, each in enumerate(plain) if each is is_plain]
            if places:
                out[places] = self._logits_of([texts[i] for i in places], encode)

    def _logits_of(self, texts: Sequence[str], encode: Callable[..., Encoded]) -> Array:
        read, whole = self._encoded(texts, encode)
        scores = None if self._linear is None or whole is None else self._linear.score(whole)
        return self._finish(read, scores)

    def token_ids(self, text: str) -> "TokenIds":
        """Return one text as ids, as the encoder and the linear classifier read it.

        Args:
            text: Any text; one without a token is read as one unknown word.

        Returns:
            The ids for each of the two, cut at what it reads; those for the linear classifier are
            empty where there is none.
        """
        encode = WordIds.encode_ascii if text.isascii() else WordIds.encode_any
        read, scored = self._encoded([text], encode)
        encoder = read.tokens[: read.ends[-1]]
        if scored is None:
            return TokenIds(encoder, encoder[:0], encoder[:0])
        count = scored.ends[-1]
        return TokenIds(encoder, scored.tokens[:count], scored.capitals[:count])

    def encoder_logits(self, texts: Sequence[Array]) -> Array:
        """Return logits without the linear classifier's scores, float32 (texts, classes).

        Scores of words and pairs that were trained with the encoder are among them.

        Args:
            texts: The ids of each text's tokens in the encoder's vocabulary, int32, at least one.
        """
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        tokens = np.ascontiguousarray(np.concatenate(texts), np.int32)
        nothing = np.zeros(1, np.uint32)
        return self._finish(Encoded(tokens, nothing[:0], ends, nothing, ends[:0]), None)

    def _encoded(
        self, texts: Sequence[str], encode: Callable[..., Encoded]
    ) -> tuple[Encoded, Encoded | None]:
        ids, linear = self._ids, self._linear
        if linear is None:
            return encode(ids.words, texts, self._length, points=False), None
        whole = encode(ids.words, texts, self._linear_length, points=linear.characters)
        scored = whole if ids.linear is None else whole.renumbered(ids.linear)
        if self._linear_length < self._length:
            whole = encode(ids.words, texts, self._length, points=False)
        return whole.beginnings(self._length, ids.encoder), scored

    def _finish(self, read: Encoded, linear: Array | None) -> Array:
        ngrams = None if self._ngrams is None else self._ngrams.score(read)
        vectors = self._encoder.encode(read)
        texts, classes, pitch = len(vectors), len(self.label_names), len(self._output_bias.array)
        outputs = np.empty((texts, pitch), np.float32)
        programs().project(
            vectors.ctypes.data, texts, vectors.shape[1], self._output.at,
            self._output_bias.at, pitch, outputs.ctypes.data, 0,
        )  # fmt: skip
        out = np.empty((texts, classes), np.float32)
        programs().finish(
            outputs.ctypes.data, pitch, texts, classes,
            int(ngrams is not None), 0 if ngrams is None else ngrams.ctypes.data,
            int(linear is not None), 0 if linear is None else linear.ctypes.data,
            self._linear_weight.at, out.ctypes.data,
        )  # fmt: skip
        return out


@dataclass(frozen=True, slots=True)
class TokenIds:
    """A text as ids of words, never empty; what only the linear classifier reads may be missing.

    encoder: int32 (tokens,), in the encoder's vocabulary. linear: int32 (tokens,), in the linear
    classifier's. capitals: uint8 (tokens,), 1 where a token of `linear` is not in lower case.
    """

    encoder: Array
    linear: Array
    capitals: Array


class _SharedIds:
    """The ids of the words of encoder and linear classifier, which texts are looked up in once.

    words: the words of both. encoder, linear: int32, the id in either's vocabulary of each of them;
    None where it is the same.
    """

    def __init__(self, files: BundleFiles) -> None:
        self.encoder: Array | None = None
        self.linear: Array | None = None
        own, tokenizer = files.words, files.description.tokenizer
        if files.linear_words is None or files.linear_words == own:
            self.words = WordIds(own, tokenizer)
            return
        both = tuple(dict.fromkeys((*own, *files.linear_words)))
        known = {word: i for i, word in enumerate(files.linear_words)}
        self.words = WordIds(both, tokenizer)
        self.encoder = np.full(len(both), UNK_ID, np.int32)
        self.encoder[: len(own)] = np.arange(len(own))
        self.linear = np.array([known.get(word, UNK_ID) for word in both], np.int32)


class EnsemblePredictor:
    """Several predictors of the same classes as one: their probabilities are averaged.

    Attributes:
        members: The predictors.
        label_names: The classes, in the order of the probabilities.
        about: Where the first of them comes from.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        self.members = tuple(members)
        self.label_names: tuple[str, ...] = self.members[0].label_names
        self.about: Mapping[str, Any] = self.members[0].about

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Return the mean of the members' probabilities.

        Args:
            texts: Any number of texts, also none; several threads may ask at once.

        Returns:
            float32 (texts, classes), in the order of `label_names`; each row sums to 1.

        Raises:
            BundleError: The weights of a member give a score that is not finite.
        """
        found: Array = np.stack([each.probabilities(texts) for each in self.members]).mean(axis=0)
        return found


def _temperature_of(description: Description) -> Array:
    """Return the temperature and the margin's power, float64 (2,); 1 and 0 where there is none."""
    found = description.calibration
    return np.array([1.0, 0.0] if found is None else [found.temperature, found.margin_power])


def _portions(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Cut texts into portions of bounded size: (begin, end) of each."""
    if len(texts) == 1:
        return [(0, 1)]
    found, begin, characters = [], 0, 0
    for i, text in enumerate(texts):
        if i > begin and (
            i - begin >= TEXTS_AT_ONCE or characters + len(text) > _CHARACTERS_AT_ONCE
        ):
            found.append((begin, i))
            begin, characters = i, 0
        characters += len(text)
    return [*found, (begin, len(texts))] if texts else []
