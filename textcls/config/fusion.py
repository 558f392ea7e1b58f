"""Tell which classifiers can be trained as one, by their settings alone.

Classifiers that are trained in one set of operations (`textcls.training.fused`) have one shape:
they agree in whatever decides the shape of a tensor or the order of the texts, and may differ in
all else. Nothing here needs torch, so that a search can be checked before it starts.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from textcls.config.messages import shown
from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import ConfigError

Settings = tuple[ModelConfig, TrainConfig]

ALONE: Mapping[str, object] = MappingProxyType({"model.ngrams": 0, "train.log_every": None})
"""Settings, `section.field`, that only a classifier that is trained alone has, and the value that
one of a group has."""

_FREE_OF_MODEL = ("dropout", "embedding_dropout", "word_dropout", "linear_weight", "init")
_FREE_OF_MODEL_ALONE = ("ngrams", "ngram_dropout")  # a group has no n-grams
_SHAPE_OF_TRAIN = ("epochs", "least_texts", "batch_size", "class_sampling")


def decides_shape(section: str, field: str) -> bool:
    """Tell whether classifiers must agree in a setting to be trained as one.

    Args:
        section: "model", "embeddings" or "train".
        field: A field of that section.

    Example:
        >>> decides_shape("model", "hidden_size"), decides_shape("train", "learning_rate")
        (True, False)
    """
    if section == "train":
        return field in _SHAPE_OF_TRAIN
    return section != "model" or field not in (*_FREE_OF_MODEL, *_FREE_OF_MODEL_ALONE)


def shape_of(model: ModelConfig, train: TrainConfig) -> dict[str, Any]:
    """Return the settings in which classifiers must agree to be trained as one.

    Args:
        model: The settings of one of them.
        train: The settings of its training.

    Returns:
        Values by dotted key, such as "model.hidden_size".

    Example:
        >>> a, b = ModelConfig(hidden_size=50), ModelConfig(hidden_size=50, dropout=0.3)
        >>> shape_of(a, TrainConfig()) == shape_of(b, TrainConfig(learning_rate=0.1))
        True
    """
    sections = {"model": model, "train": train}
    return {
        f"{section}.{field}": getattr(settings, field)
        for section, settings in sections.items()
        for field in type(settings).model_fields
        if decides_shape(section, field)
    }


def check_shapes(members: Sequence[Settings]) -> None:
    """Check that classifiers can be trained as one.

    Args:
        members: The settings of each classifier and of its training.

    Raises:
        ConfigError: There are none, two differ in shape, or one has n-gram scores or a log of its
            steps; the message names the classifier by its place, from 0.
    """
    if not members:
        raise ConfigError("a group needs at least one classifier, but there are none")
    first = shape_of(*members[0])
    for number, member in enumerate(members):
        settings = dict(zip(("model", "train"), member, strict=True))
        for name, needed in ALONE.items():
            section, _, key = name.partition(".")
            found = getattr(settings[section], key)
            if found != needed:
                raise ConfigError(
                    f"classifier {number}: {name} is {shown(found)}, but must be {shown(needed)} "
                    "in a group: only a classifier that is trained alone has it"
                )
        for key, value in shape_of(*member).items():
            if value != first[key]:
                raise ConfigError(
                    f"classifier {number}: {key} is {value}, but that of classifier 0 is "
                    f"{first[key]}: a group has one shape"
                )
