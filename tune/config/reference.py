"""Write every key of a search file as a page, from the models that check it."""

from typing import Any

from pydantic_core import PydanticUndefined

from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, Section, TrainConfig
from tune.config.parameters import all_parameters
from tune.config.search_file import ConfirmConfig, ResourceConfig, SchedulerConfig, SearchConfig

SECTIONS: dict[str, type[Section]] = {
    "model": ModelConfig,
    "data": DataConfig,
    "embeddings": EmbeddingConfig,
    "train": TrainConfig,
    "search": SearchConfig,
    "search.scheduler": SchedulerConfig,
    "search.confirm": ConfirmConfig,
    "resources": ResourceConfig,
}


def keys_page() -> str:
    """Return the tables of `docs/search_spaces.md`, as Markdown."""
    parts = [f"### {name}\n\n{_table(model)}" for name, model in SECTIONS.items()]
    names = ", ".join(f"`{name}`" for name in sorted(all_parameters()))
    return "\n\n".join([*parts, f"### What can be searched\n\n{names}"]) + "\n"


def _table(model: type[Section]) -> str:
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{field.alias or name}` | {_default(field)} | {meaning} |")
    return "\n".join(rows)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, Section):
        return "see below"
    if value is None:
        return "none"
    return f"`{list(value) if isinstance(value, tuple) else value}`".replace("'", "")
