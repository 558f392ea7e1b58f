"""What a bundle's JSON files may say: checked once, trusted after."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from textcls.config.messages import has_control_character
from textcls.config.models import LONGEST_LABEL, ModelConfig
from textcls.text.tokenizer import CHARACTERS, WORDPUNCT

BUNDLE_FORMAT: Literal[1] = 1
SMALL_FORMAT: Literal[2] = 2
"""That of a small bundle, which programs of before it cannot read."""
MOST_TOKENS = 2**31 - 1
"""Tokens that a text can have at most: their numbers are 32-bit integers."""
_NAMES_OF_FILES = ("data", "embeddings")
"""Sections of a configuration whose `name` may be the path of a file."""
_MOST_CLASSES = 100_000
_MOST_MEMBERS = 1_000


def check_label(label: str) -> str:
    """Return a label that can be shown; raise ValueError where it has a control character."""
    if has_control_character(label):
        raise ValueError(f"must be text without control characters, but is {ascii(label)[:80]}")
    return label


Label = Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL), AfterValidator(check_label)]


class _BundlePart(BaseModel):
    """A part of a bundle's description: strict and frozen; keys of later versions are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class About(_BundlePart):
    """Where a classifier comes from; keys besides these are kept as they are."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    configuration: dict[str, dict[str, Any]] | None = None
    """The sections of the configuration that it was trained with."""
    result: dict[str, Any] | None = None
    search: dict[str, Any] | None = None
    provenance: dict[str, Any] | None = None
    classes: list[str | bool | int] | None = None
    """The labels as they were given, in the order of `label_names`."""

    def without_folders(self) -> Self:
        """Return the same without the folders before the names of data and vector files.

        They tell whose machine a classifier was trained on, and nobody who gets it needs them: the
        data's fingerprint, which stays, is the same wherever its files lie.
        """
        sections = [(self.configuration or {}).get(key) or {} for key in _NAMES_OF_FILES]
        names = [str(section["name"]) for section in sections if "name" in section]
        paths = [Path(name).expanduser() for name in names if _is_local(name)]
        if not paths:
            return self
        content = _without(self.model_dump(exclude_unset=True), _folders(paths))
        return type(self).model_validate(content)


def _is_local(name: str) -> bool:
    """Tell whether a name is the path of a file or folder, not one of a hub."""
    try:
        path = Path(name).expanduser()
        return path.is_absolute() or name.startswith(".") or path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, with a zero byte, or ~nobody
        return False


def _folders(paths: Sequence[Path]) -> list[str]:
    """Return the folders of some paths as they may be written, the longest first."""
    found = {each for path in paths for each in (path, path.absolute(), path.resolve())}
    found = {each.parent for each in found}
    with suppress(RuntimeError):  # a user without a home
        home = Path.home()
        found |= {Path("~") / each.relative_to(home) for each in found if each.is_relative_to(home)}
    written = {str(each) + "/" for each in found if each.name and str(each) != "."}
    return sorted(written, key=len, reverse=True)


def _without(value: Any, folders: Sequence[str]) -> Any:
    """Return a JSON value in whose texts the folders are left out."""
    if isinstance(value, dict):
        return {key: _without(each, folders) for key, each in value.items()}
    if isinstance(value, list):
        return [_without(each, folders) for each in value]
    if isinstance(value, str):
        for folder in folders:
            value = value.replace(folder, "")
    return value


class Calibration(_BundlePart):
    """The temperature by which logits are divided, and how it was found on held-out texts."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    temperature: float = Field(gt=0.0, le=1e6, ge=1e-6)
    """Above 1 where the classifier is surer than it is right."""
    margin_power: float = Field(default=0.0, ge=-1.0, lt=1.0)
    """The temperature is multiplied by this power of 1 + the gap of the two largest logits."""
    split: str = Field(max_length=100)
    """The held-out split on which it was found."""
    texts: int = Field(ge=1)
    """Texts in that split."""
    ece_before: float = Field(ge=0.0, le=1.0)
    """Expected calibration error there without a temperature, in 15 bins."""
    ece_after: float = Field(ge=0.0, le=1.0)
    """The same with one: each fold of the split with the temperature found on the others."""


class Conformal(_BundlePart):
    """How improbable the true labels of held-out texts were, for sets of labels."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    split: str = Field(max_length=100)
    """The held-out split."""
    texts: int = Field(ge=1, le=MOST_TOKENS)
    """Texts in it."""
    scores: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...] = Field(
        min_length=1, max_length=1_000
    )
    """1 minus the probability of the true label, ascending: of all texts, or of a thousand ranks
    that are spread evenly."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if len(self.scores) != min(self.texts, 1_000):
            raise ValueError("must have a score for each text, of more than 1,000 texts 1,000")
        if any(b < a for a, b in pairwise(self.scores)):
            raise ValueError("scores must ascend")
        return self


Counts = Annotated[tuple[int, ...], Field(min_length=1, max_length=_MOST_CLASSES)]


class ValueCounts(_BundlePart):
    """How the values of held-out texts are distributed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    edges: tuple[float, ...] = Field(min_length=1, max_length=100)
    """Ascending; a value belongs to the first bin whose edge is not below it, or to the last."""
    counts: tuple[int, ...] = Field(max_length=101)
    """Texts of each bin: one more than there are edges."""
    mean: float
    deviation: float = Field(ge=0.0)
    """Standard deviation."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError("a histogram must have one count more than edges")
        if any(b <= a for a, b in pairwise(self.edges)) or min(self.counts) < 0:
            raise ValueError("a histogram's edges must ascend and its counts not be negative")
        if not sum(self.counts):
            raise ValueError("a histogram must count at least one text")
        return self


class Reference(_BundlePart):
    """Statistics of held-out texts, with which `check` compares new ones."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    split: str = Field(max_length=100)
    """The held-out split."""
    texts: int = Field(ge=1)
    """Texts in it that were measured."""
    known_words: int = Field(ge=2)
    """Words of the vocabulary, counted from its start, that occur in train."""
    lengths: ValueCounts
    """Tokens of a text."""
    unseen: ValueCounts
    """Share of a text's tokens that train lacks."""
    confidence: ValueCounts
    """Probability of the predicted class."""
    predicted: Counts
    """Texts that are predicted to be of each class."""
    accuracy: float | None = Field(default=None, ge=0.0, le=1.0)
    macro_f1: float | None = Field(default=None, ge=0.0, le=1.0)

    @field_validator("predicted")
    @classmethod
    def _counted(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        if min(counts) < 0 or not sum(counts):
            raise ValueError("must count at least one text, and no class negatively")
        return counts


class Reduction(_BundlePart):
    """What was left out of a small bundle, and what that changes on held-out texts."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    words: tuple[int, int]
    """Words that the encoder knew before and knows now."""
    features: tuple[int, int] | None = None
    """Features of the linear classifier before and now."""
    split: str = Field(max_length=100)
    """The texts on which both were measured."""
    texts: int = Field(ge=1)
    changed: int = Field(ge=0)
    """Of these texts, those that get another label."""
    accuracy: tuple[float, float] | None = None
    """Before and now; None where the texts had no labels."""


class Description(_BundlePart):
    """The content of `bundle.json`."""

    format: Literal[1, 2]
    model: ModelConfig
    label_names: tuple[Label, ...] = Field(min_length=1, max_length=_MOST_CLASSES)
    max_length: int = Field(ge=1, le=MOST_TOKENS)
    """Tokens that the encoder reads of a text."""
    tokenizer: str = WORDPUNCT
    """Bundles of before this key was written cut words."""
    linear_length: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """Tokens that the linear classifier reads; as many as the encoder where that is not known."""
    calibration: Calibration | None = None
    conformal: Conformal | None = None
    """Scores of held-out texts; bundles of before this key was written have none."""
    reference: Reference | None = None
    """Statistics of held-out texts; bundles of before this key was written have none."""
    reduction: Reduction | None = None
    """Of a small bundle."""
    about: About

    @field_validator("label_names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise ValueError(f"must be distinct, but {twice!r} occurs more than once")
        return names

    @model_validator(mode="after")
    def _reference_fits(self) -> Self:
        if self.reference is not None and len(self.reference.predicted) != len(self.label_names):
            raise ValueError("reference.predicted must have a count for each class")
        return self

    @field_validator("tokenizer")
    @classmethod
    def _known_tokenizer(cls, name: str) -> str:
        if name not in (WORDPUNCT, CHARACTERS):
            raise ValueError(f"no tokenizer is called {ascii(name)[:80]}")
        return name


class EnsembleDescription(_BundlePart):
    """The content of `ensemble.json`."""

    format: Literal[1]
    members: tuple[str, ...] = Field(min_length=1, max_length=_MOST_MEMBERS)

    @field_validator("members")
    @classmethod
    def _folders_beside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(name in ("", ".", "..") or "/" in name or "\0" in name for name in names):
            raise ValueError(f"members must be folders beside it, but are {ascii(names)[:200]}")
        if len(set(names)) < len(names):
            raise ValueError("members must be distinct folders")
        return names


WORDS: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...], config=ConfigDict(strict=True))
"""The content of `vocabulary.json` or `vocabulary.json.gz`: the words in the order of their ids."""
