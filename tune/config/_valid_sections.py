"""Read the parts of a search file that are valid by themselves from its plain data.

A file with one broken key still has valid parts, and whether those fit together can be said at
once rather than after the next attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from textcls.config.messages import describe
from textcls.config.models import EmbeddingConfig, ModelConfig, Section, TrainConfig
from tune.config.conditions import Space
from tune.config.distributions import CheckedValue, Distribution, Value
from tune.config.parameters import all_parameters, overlay

Known = TypeVar("Known", bound=Section)


@dataclass(frozen=True, slots=True)
class ValidSections:
    """The valid parts of a search file; an invalid fixed value is replaced by its default."""

    model: ModelConfig
    embeddings: EmbeddingConfig
    train: TrainConfig
    broken: frozenset[str]
    """The fixed values, `section.field`, that are not sound."""
    names: tuple[str, ...]
    """The space's parameters, broken ones included."""
    space: Space
    points: Mapping[int, Mapping[str, Value]]
    """The sound points by their index."""
    configurations: Mapping[str, Mapping[str, Value]]
    """The sound configurations' parameters by their name."""
    has_points: bool
    has_configurations: bool

    def default(self, name: str) -> Value:
        """Return a parameter's fixed or default value."""
        parameter = all_parameters()[name]
        value: Value = getattr(getattr(self, parameter.section), parameter.field)
        return value

    def refusal(self, params: Mapping[str, Value]) -> str | None:
        """Say why the sections refuse parameters that are valid one by one; None if they fit."""
        if any(all_parameters()[name].refusal(value) for name, value in params.items()):
            return None
        try:
            overlay(self.model, self.embeddings, self.train, params)
        except ValidationError as error:
            return describe(error.errors(include_url=False)[0])
        return None

    @property
    def model_name(self) -> Value:
        """The fixed model; None where the space chooses it or the file names none that exists."""
        return None if {"model", "model.name"} & {*self.names, *self.broken} else self.model.name


def keep_valid(data: Mapping[str, Any]) -> ValidSections:
    """Return the valid parts of a search file's data; raises nothing, whatever the data."""
    broken: set[str] = set()
    space = _mapping(data.get("space"))
    points = data.get("points")
    configurations = _mapping(data.get("configurations"))
    return ValidSections(
        model=_section(ModelConfig, "model", data, broken),
        embeddings=_section(EmbeddingConfig, "embeddings", data, broken),
        train=_section(TrainConfig, "train", data, broken),
        broken=frozenset(broken),
        names=tuple(name for name in space if isinstance(name, str)),
        space=_sound_items(_distribution(), space),
        points=_sound_items(
            _params(), dict(enumerate(points)) if isinstance(points, list | tuple) else {}
        ),
        configurations=_sound_items(
            _params(), {name: _params_of(known) for name, known in configurations.items()}
        ),
        has_points=bool(points),
        has_configurations=bool(data.get("configurations")),
    )


@cache
def _distribution() -> TypeAdapter[Any]:
    return TypeAdapter(Distribution)


@cache
def _params() -> TypeAdapter[Any]:
    return TypeAdapter(dict[str, CheckedValue])


def _params_of(configuration: object) -> object:
    if isinstance(configuration, Mapping):
        return configuration.get("params")
    return getattr(configuration, "params", None)


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _sound_items(adapter: TypeAdapter[Any], items: Mapping[Any, object]) -> dict[Any, Any]:
    sound = {}
    for key, value in items.items():
        try:
            sound[key] = adapter.validate_python(value)
        except ValidationError:
            continue
    return sound


def _section(section: type[Known], name: str, data: Mapping[str, Any], broken: set[str]) -> Known:
    """Return a section with its broken values at their defaults; their keys go into `broken`."""
    values = data.get(name, {})
    try:
        return section.model_validate(values)
    except ValidationError as error:
        found = {str(details["loc"][0]) for details in error.errors() if details["loc"]}
    kept = {key: value for key, value in _mapping(values).items() if key not in found}
    try:
        sound = section.model_validate(kept)
    except ValidationError:  # the values are sound but exclude each other
        sound, found = section(), set()
    broken.update(f"{name}.{field}" for field in found or section.model_fields)
    return sound
