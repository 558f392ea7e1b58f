"""Write every key of a search file as a page, from the models that check it."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, Section, TrainConfig
from tune.config.parameters import all_parameters
from tune.config.search_file import (
    ConfirmConfig,
    ResourceConfig,
    SchedulerConfig,
    SearchConfig,
    StopWhenConfig,
)

SECTIONS: dict[str, type[Section]] = {
    "model": ModelConfig,
    "data": DataConfig,
    "embeddings": EmbeddingConfig,
    "train": TrainConfig,
    "search": SearchConfig,
    "search.scheduler": SchedulerConfig,
    "search.confirm": ConfirmConfig,
    "search.stop_when": StopWhenConfig,
    "resources": ResourceConfig,
}

_SEARCHED = ("model", "embeddings", "train")
"""Sections whose fields may stand under `space`."""
_TYPES = {
    "boolean": "`true`, `false`",
    "integer": "a whole number",
    "null": "none",
    "number": "a number",
    "string": "a text",
}
_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "from",
    "exclusiveMaximum": "below",
    "maximum": "to",
}
_ABOUT = (
    "Every key of a search file, from the code that checks it. Any of them is set in the file, or "
    "by `--set SECTION.KEY=VALUE`; *searched* says whether `space` may hold it. "
    "[Search spaces](search_spaces.md) explains how a file is written."
)


def keys_page() -> str:
    """Return the tables of `docs/search_spaces.md`, as Markdown."""
    parts = [f"### {name}\n\n{_table(model)}" for name, model in SECTIONS.items()]
    names = ", ".join(f"`{name}`" for name in sorted(all_parameters()))
    return "\n\n".join([*parts, f"### What can be searched\n\n{names}"]) + "\n"


def reference_page() -> str:
    """Return the page of the documentation site that lists every key with its values."""
    searched = all_parameters()
    parts = ["# Configuration", _ABOUT]
    for section, model in SECTIONS.items():
        properties = model.model_json_schema()["properties"]
        rows = [
            "| key | values | default | searched | meaning |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, field in model.model_fields.items():
            key = field.alias or name
            can = "yes" if section in _SEARCHED and key in searched else ""
            values, default = _values(properties[key]), _default(field)
            default = default.lower() if isinstance(field.default, bool) else default
            rows.append(f"| `{key}` | {values} | {default} | {can} | {_meaning(field)} |")
        parts += [f"## {section}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _values(known: Mapping[str, Any]) -> str:
    """Say which values a key takes, from its JSON Schema."""
    if "enum" in known or "const" in known:
        return ", ".join(f"`{value}`" for value in known.get("enum", [known.get("const")]))
    kinds = known.get("type", "")
    parts = known.get("anyOf", [])
    if isinstance(kinds, list):
        parts = [{**known, "type": kind} for kind in kinds]
    if parts:
        return " or ".join(dict.fromkeys(map(_values, parts)))
    if "$ref" in known:
        return "a section"
    if kinds == "array":
        return f"a list: {_values(known['items'])}" if "items" in known else "a list"
    words = [_TYPES.get(kinds, "a value")]
    words += [
        f"{sign} {_number(known[bound])}" for bound, sign in _BOUNDS.items() if bound in known
    ]
    return " ".join(words)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _table(model: type[Section]) -> str:
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        rows.append(f"| `{field.alias or name}` | {_default(field)} | {_meaning(field)} |")
    return "\n".join(rows)


def _meaning(field: Any) -> str:
    return " ".join((field.description or "").split()).replace("|", "\\|")


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, Section):
        return "see below"
    if value is None:
        return "none"
    return f"`{list(value) if isinstance(value, tuple) else value}`".replace("'", "")
