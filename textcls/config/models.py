"""The settings of a classifier and of its training: checked where they enter, trusted inside.

The models are frozen and strict: an unknown key, a text where a number belongs or a value out of
bounds is refused. `tune.config.search_file` composes the same models into a search, so a key means
the same on both command lines.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

SYNTHETIC = "synthetic"
IN_MEMORY = "memory"
"""`data.name` of texts that were handed over in Python and lie in no file."""
CORPUS_VECTORS = "corpus"
RANDOM_VECTORS = "random"

MOST_SEED = 2**31 - 1
"""numpy and gensim take seeds below 2**32, and each trial counts its own on from the one given."""

LONGEST_LABEL = 1_000
"""Characters that the name of a class can have."""

ModelName = Literal["cnn", "rnn", "gru"]
ClassWeights = Literal["none", "sqrt", "balanced"]


def _names(value: object) -> object:
    """`a`, `a,b`, `[a, b]` and the numbers of columns without names are all lists of names."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    if isinstance(value, int) and not isinstance(value, bool):
        return (str(value),)
    return tuple(map(_name, value)) if isinstance(value, list | tuple) else value


def _name(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ColumnName = Annotated[str, BeforeValidator(_name)]
ColumnNames = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Section(BaseModel):
    """One section of a configuration: frozen, strict, finite numbers only, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class DataConfig(Section):
    """The texts: where they come from and how they become tokens."""

    name: str = "ag_news"
    """A hub name, a local file or folder, or "synthetic" (the embedded corpus)."""
    subset: str | None = None
    """The hub set's configuration, where it has several."""
    offline: str | None = None
    """What to use instead, with a notice, when the hub cannot be reached."""
    text_columns: Annotated[ColumnNames, Field(min_length=1)] | None = None
    """Columns that make a text, joined by a space, as a list or with commas between them; by
    default text, or title and description, else guessed from names and content."""
    label_column: ColumnName | None = None
    """The column that holds the label; by default label, else guessed from names and content."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between the columns of a text file; by default read off the file."""
    encoding: str | None = None
    """The encoding of text files, as Python calls it; by default told by their content."""
    multilabel: Literal["error", "first", "whole"] = "error"
    """What to do with several labels in one cell: stop, take the first, or take each combination
    for a class of its own."""
    tokenizer: Literal["auto", "wordpunct", "characters"] = "auto"
    """How texts are cut into tokens: into words and punctuation, or into words and single
    characters of scripts without blanks between words; auto looks at the texts' scripts."""
    max_length: int = Field(default=128, ge=1)
    """Tokens that the encoder reads of each text, from its start; a linear classifier reads all."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in train that a word needs to enter the vocabulary."""
    validation_fraction: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of train carved off as validation, stratified by label; 0 carves none."""
    test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of train split off as test, stratified by label, where the data has no test split."""
    bad_rows: Literal["error", "skip"] = "error"
    """What to do with rows that cannot be used: stop, or count them, say so and go on."""
    train_size: int = Field(default=20_000, ge=8)
    """Texts in the train split of the embedded corpus; local and hub data ignore it."""
    test_size: int = Field(default=4_000, ge=8)
    """Texts in the test split of the embedded corpus; local and hub data ignore it."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of the splits and of the embedded corpus."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                "".encode(value)
            except LookupError:
                raise ValueError(
                    f"must be an encoding that Python knows, such as cp1252, but is {value!r}"
                ) from None
        return value


class EmbeddingConfig(Section):
    """The word vectors."""

    name: str = "glove-twitter-50"
    """A name of gensim's downloader, glove-6b-50d (of the extra `vectors`), a vector file, "corpus"
    (trained on train) or "random"."""
    offline: Literal["corpus", "random"] | None = None
    """What to use instead, with a notice, when the hub cannot be reached."""
    dim: int = Field(default=50, ge=1)
    """Numbers per vector of "corpus" and "random"; vectors that are loaded bring their own."""
    scale: float = Field(default=1.0, gt=0.0)
    """Factor on all vectors; "random" ones have a standard deviation of 0.1 times this."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of "corpus", "random" and the rows of words that the vectors lack."""


class ModelConfig(Section):
    """The classifier: embedding, encoder, dropout, linear layer."""

    name: ModelName = "gru"
    """The encoder."""
    hidden_size: int = Field(default=50, ge=1, le=4096)
    """Units of the recurrent state, or channels of the convolutions."""
    layers: int = Field(default=1, ge=1, le=8)
    """Recurrent layers on top of each other (rnn, gru)."""
    bidirectional: bool = False
    """Read the text from both ends (rnn, gru)."""
    pooling: Literal["last", "max", "mean"] = "last"
    """How the tokens' states become one vector; the cnn has no last state and takes max for it."""
    kernel_sizes: Annotated[
        tuple[Annotated[int, Field(gt=0, le=1_000)], ...],
        Field(strict=False, min_length=1, max_length=64),
    ] = (3,)
    """Kernel sizes of the convolutions; several make parallel branches (cnn)."""
    blocks: int = Field(default=3, ge=1, le=6)
    """Convolution blocks of stride 2 in a branch (cnn)."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout between encoder and linear layer."""
    embedding_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout on the word vectors."""
    word_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of a batch's distinct words whose vector is zeroed, wherever they occur."""
    ngrams: int = Field(default=0, ge=0, le=2)
    """Scores added to the encoder's: of words (1), of words and pairs of words (2), none (0)."""
    ngram_dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Dropout on the n-grams of a text."""
    linear_weight: float = Field(default=0.0, ge=0.0, le=100.0)
    """Weight of a linear classifier's scores (words, pairs of words, capitals, n-grams of
    characters; trained apart, once) beside the encoder's log-probabilities; 0 is none, 5 is usual
    for many texts, 10 to 20 for few."""
    init: Literal["default", "uniform"] = "default"
    """How recurrent weights start; "uniform" is U(0, 1), as in the reference (rnn, gru)."""


ENCODERS_WITH: Mapping[str, tuple[ModelName, ...]] = MappingProxyType(
    {
        "layers": ("rnn", "gru"),
        "bidirectional": ("rnn", "gru"),
        "init": ("rnn", "gru"),
        "kernel_sizes": ("cnn",),
        "blocks": ("cnn",),
    }
)
"""The encoders that read a field of `ModelConfig`; a field that is not listed serves them all."""


class TrainConfig(Section):
    """The training of the classifier."""

    epochs: float = Field(default=1.0, gt=0.0)
    """Passes over the train split; fractions are allowed."""
    least_texts: int = Field(default=0, ge=0)
    """Texts to train on at least, repeats counted: small data gets more epochs for it."""
    batch_size: int = Field(default=32, ge=1)
    """Texts in an optimizer step."""
    learning_rate: float = Field(default=1e-2, gt=0.0)
    """Adam's learning rate."""
    embedding_learning_rate: float | None = Field(default=None, gt=0.0)
    """That of the embeddings; by default the same."""
    ngram_learning_rate: float = Field(default=0.1, gt=0.0)
    """AdaGrad's learning rate of the n-grams' scores."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rates go on after the warm-up: as they are, or down to 0 at the end."""
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of all steps during which the learning rates rise from 0."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of a label's weight that is spread over all classes."""
    class_weights: ClassWeights = "none"
    """How much more a text of a rare class counts in the loss: none weighs all texts alike,
    balanced gives each class the same sum, sqrt the square root of its number of texts."""
    class_sampling: ClassWeights = "none"
    """How much more often a text of a rare class is drawn: none draws each once an epoch, balanced
    as many of each class, sqrt as the square root of its number of texts. With class_weights as
    well, the weights add only what the sampling leaves over."""
    max_grad_norm: float = Field(default=1.0, gt=0.0)
    """The gradient is scaled down to this norm, embeddings included, before each step."""
    freeze_iters: int = Field(default=0, ge=0)
    """Steps at the start during which the embeddings stay as they are."""
    freeze_fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    """The same as a share of all steps of the run; excludes freeze_iters."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of the initial weights, the order of the batches and dropout."""
    threads: int | None = Field(default=None, ge=1)
    """Torch's threads; by default the trial's cores, or torch's own choice outside a search."""
    log_every: int | None = Field(default=None, ge=1)
    """Steps between two points of the curve within the epochs: loss, accuracy, gradient norm, share
    of clipped steps, learning rate; none records no such curve."""

    @model_validator(mode="after")
    def _one_way_to_freeze(self) -> Self:
        if self.freeze_iters > 0 and self.freeze_fraction > 0:
            raise ValueError(
                "freeze_iters and freeze_fraction exclude each other, "
                f"but are {self.freeze_iters} and {self.freeze_fraction}"
            )
        return self

    @property
    def measure(self) -> str:
        """What a linear classifier beside it is to be good at: macro F1 where classes weigh alike.

        A search has a metric that says so; one training has these keys.
        """
        even = self.class_weights != "none" or self.class_sampling != "none"
        return "macro_f1" if even else "accuracy"

    def epochs_on(self, texts: int) -> float:
        """Return the epochs to train on a train split of a certain size.

        Args:
            texts: Texts in the split, at least 1.

        Returns:
            `epochs`, or the whole number of epochs that shows `least_texts` texts where that is
            more.

        Example:
            >>> TrainConfig(epochs=2.0, least_texts=60_000).epochs_on(8_000)
            8.0
        """
        return max(self.epochs, float(-(-self.least_texts // texts)))

    def frozen_steps(self, steps: int) -> int:
        """Return how many steps, from the first on, leave the embeddings unchanged.

        Args:
            steps: Optimizer steps of the whole run.

        Returns:
            `freeze_iters`, or the share `freeze_fraction` of the steps; at most `steps`.
        """
        return min(steps, self.freeze_iters or round(self.freeze_fraction * steps))


class TrainFile(Section):
    """One configuration of a classifier."""

    model: ModelConfig = ModelConfig()
    """The classifier."""
    data: DataConfig = DataConfig()
    """Where the texts come from."""
    embeddings: EmbeddingConfig = EmbeddingConfig()
    """Where the word vectors come from."""
    train: TrainConfig = TrainConfig()
    """How it is trained."""
