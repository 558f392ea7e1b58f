"""Turn a YAML file and the command line's values into a checked configuration.

Every problem is reported at once:

    search_spaces/gru.yaml: 2 problems
      line 12, space.learning_rate.low: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)
      --set train.epochs: must be above 0, but is 0

A section that has a `name` may be written as that name alone: `model: gru` means
`model: {name: gru}`.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from textcls.config._document import Document
from textcls.config._overrides import Override, apply, parse_override
from textcls.config._yaml_reader import MAX_CHARACTERS, UnreadableError, parse
from textcls.config.messages import KeyPath, Problem, fields_by_key, problems_in, shown
from textcls.exceptions import ConfigError

__all__ = ["COMMAND_LINE", "Override", "load_config"]

Model = TypeVar("Model", bound=BaseModel)

COMMAND_LINE = "command line"
"""Stands for the file's name in errors where there is no file."""

_MAX_BYTES = 4 * MAX_CHARACTERS


def load_config(
    model: type[Model],
    path: Path | None,
    overrides: Sequence[str | Override] = (),
    *,
    name: str = COMMAND_LINE,
) -> Model:
    """Read a file, put the overrides over it, and check the result.

    Args:
        model: The configuration model to check against.
        path: A YAML file; None to take the overrides alone.
        overrides: Texts `key.path=value`, the value in YAML, or finished `Override`s; a later one
            wins.
        name: Stands for the file's name in errors where there is no file.

    Returns:
        The configuration, with defaults for what is left out.

    Raises:
        ConfigError: The file cannot be read, or the configuration is not valid; the message lists
            every problem with its line or flag.
    """
    document = _read(path) if path else Document(name)
    _write_names_out(model, document.data, (), document)
    for given in overrides:
        override = parse_override(given, document) if isinstance(given, str) else given
        if override:
            apply(override, document)
            _write_names_out(model, document.data, (), document)
    return _validate(document, model)


def _validate(document: Document, model: type[Model]) -> Model:
    try:
        config = model.model_validate(document.data)
    except ValidationError as error:
        found = problems_in(error, document.data, model)
        raise document.error([*document.problems, *found]) from None
    if document.problems:
        raise document.error(document.problems)
    return config


def _read(path: Path) -> Document:
    document = Document(_printable(path))
    text = _decode(_read_bytes(path), document)
    try:
        parsed = parse(text)
    except UnreadableError as error:
        raise document.error([Problem((), error.reason, error.line)]) from None
    if parsed.data is None and not parsed.problems:
        raise ConfigError(f"{document.name}: the file is empty; expected keys such as model: gru")
    if not isinstance(parsed.data, dict):
        message = f"must hold keys and values such as model: gru, but is {shown(parsed.data)}"
        raise document.error(parsed.problems or [Problem((), message, 1)])
    document.data = parsed.data
    document.places.update(parsed.lines)
    document.problems.extend(parsed.problems)
    return document


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:  # bounded: the path may name a device without an end
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{_printable(path)}: no such file{_near_file(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{_printable(path)}: is a folder; expected a YAML file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{_printable(path)}: cannot be read: {reason}") from error
    if len(content) > _MAX_BYTES:
        raise ConfigError(
            f"{_printable(path)}: must not exceed {_MAX_BYTES:,} bytes, but is larger"
        )
    return content


def _printable(path: Path) -> str:
    return str(path) if str(path).isprintable() else ascii(str(path))


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = sorted(other.name for other in path.parent.glob("*.yaml"))
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""


def _decode(content: bytes, document: Document) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"must be UTF-8 text, but holds the byte 0x{content[error.start]:02x}"
        raise document.error([Problem((), message, line)]) from None


def _write_names_out(model: type[BaseModel], data: Any, path: KeyPath, document: Document) -> None:
    """Replace `model: gru` by `model: {name: gru}`, for each section of `model` that has a name."""
    for key, field in fields_by_key(model).items():
        section, value = field.annotation, data.get(key)
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            continue
        if isinstance(value, str) and "name" in section.model_fields:
            data[key] = {"name": value}
            document.names_alone.add((*path, key))
        elif isinstance(value, dict):
            _write_names_out(section, value, (*path, key), document)
