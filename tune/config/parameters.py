"""The parameters that may be searched: fields of a configuration under flat names.

`model` and `embeddings` stand for the two sections' names; every other parameter is a field that
occurs in exactly one of the model, embeddings and train sections.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, get_args

from pydantic import ValidationError

from textcls.config.messages import describe, did_you_mean
from textcls.config.models import (
    ENCODERS_WITH,
    DataConfig,
    EmbeddingConfig,
    ModelConfig,
    ModelName,
    Section,
    TrainConfig,
)

SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {"model": ModelConfig, "embeddings": EmbeddingConfig, "train": TrainConfig}
)

ENCODERS: tuple[ModelName, ...] = ("cnn", "rnn", "gru")

_NOT_SEARCHED: Mapping[str, str] = MappingProxyType(
    {
        "epochs": "the scheduler decides how long a trial trains, at most train.epochs",
        "least_texts": "the scheduler decides how long a trial trains",
        "threads": "it follows from resources.cpu",
        "log_every": "it only records",
        "offline": "it says what happens without a network",
        "seed": "the best seed says nothing about the next one",
        "name": "call it model or embeddings",
    }
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field that may be searched, and the section that it belongs to."""

    section: str
    field: str

    @property
    def type(self) -> Any:
        """The field's type, None aside: int, float, bool, or something that has choices only."""
        annotation = SECTIONS[self.section].model_fields[self.field].annotation
        values = [inner for inner in get_args(annotation) if inner is not type(None)]
        return values[0] if isinstance(annotation, UnionType) and len(values) == 1 else annotation

    @property
    def description(self) -> str:
        """Meaning of the field, in a sentence."""
        return SECTIONS[self.section].model_fields[self.field].description or ""

    @property
    def encoders(self) -> tuple[ModelName, ...]:
        """The encoders that read it."""
        return ENCODERS_WITH.get(self.field, ENCODERS) if self.section == "model" else ENCODERS

    def refusal(self, value: Any) -> str | None:
        """Say why the field cannot take a value.

        Args:
            value: As YAML gives it.

        Returns:
            The end of a sentence whose subject is the parameter; None where the field can take it.
        """
        try:
            SECTIONS[self.section].model_validate({self.field: value})
        except ValidationError as error:
            return describe(error.errors(include_url=False)[0])
        return None


@cache
def all_parameters() -> Mapping[str, Parameter]:
    """Return every parameter that may be searched, by its name in a search space."""
    names = Counter(field for section in SECTIONS.values() for field in section.model_fields)
    found = {"model": Parameter("model", "name"), "embeddings": Parameter("embeddings", "name")}
    for section, model in SECTIONS.items():
        for field in model.model_fields:
            if names[field] == 1 and field not in _NOT_SEARCHED:
                found[field] = Parameter(section, field)
    return MappingProxyType(found)


def unknown(name: str) -> str:
    """Say why a name is no parameter.

    Args:
        name: What a search space has in the place of a parameter's name.

    Returns:
        The end of a sentence: that it cannot be searched and why, what was perhaps meant, or all
        that is known.
    """
    if name in _NOT_SEARCHED:
        return f"cannot be searched: {_NOT_SEARCHED[name]}"
    if name in DataConfig.model_fields:
        return "cannot be searched: all trials share one corpus; set it under data"
    near = did_you_mean(name, all_parameters())
    return "unknown parameter" + (
        near or f"; expected one of {', '.join(sorted(all_parameters()))}"
    )


def has_no(foreign: Sequence[object], name: str, encoders: Sequence[str]) -> str:
    """Say which models lack a parameter and which have it.

    Args:
        foreign: Models of the search that lack it, at least one.
        name: The parameter.
        encoders: The models that have it.

    Returns:
        The end of a sentence, such as "cnn has no layers, only gru and rnn".
    """
    verb = "have" if len(foreign) > 1 else "has"
    models = " and ".join(str(model) for model in foreign)
    return f"{models} {verb} no {name}, only {' and '.join(encoders)}"


def overlay(
    model: ModelConfig,
    embeddings: EmbeddingConfig,
    train: TrainConfig,
    params: Mapping[str, Any],
) -> tuple[ModelConfig, EmbeddingConfig, TrainConfig]:
    """Put a trial's parameters over the fixed sections.

    Args:
        model: The fixed values of the classifier.
        embeddings: The fixed values of the word vectors.
        train: The fixed values of the training.
        params: Values by the names of `all_parameters`.

    Returns:
        The three sections with the trial's values in them.

    Raises:
        ValidationError: pydantic refuses a value, or values together.
        KeyError: A name is no parameter; names are checked where they enter.
    """
    values = {
        "model": model.model_dump(),
        "embeddings": embeddings.model_dump(),
        "train": train.model_dump(),
    }
    for name, value in params.items():
        parameter = all_parameters()[name]
        values[parameter.section][parameter.field] = value
    return (
        ModelConfig.model_validate(values["model"]),
        EmbeddingConfig.model_validate(values["embeddings"]),
        TrainConfig.model_validate(values["train"]),
    )
