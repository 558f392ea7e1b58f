"""Describe what is wrong with a configuration: the key, what it must be and what it was.

pydantic finds the faults; this file says them as a person would, each with the hint that puts it
right: the key that was meant, the way YAML wants a number written.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

KeyPath = tuple[str | int, ...]

UNREAD = object()
"""Stands for a value that could not be read at all, which has been said already."""

_E_NOTATION = re.compile(r"([-+]?\d[\d_]*)(\.\d*)?[eE]([-+]?)(\d+)")
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: the path of its key, what it must be and was; its line where that is another."""

    path: KeyPath
    message: str
    line: int | None = None


def dotted(path: KeyPath) -> str:
    """Write a key path as text.

    Args:
        path: Names of keys, and places in lists from 0.

    Returns:
        The path with its unprintable characters escaped.

    Example:
        >>> dotted(("points", 0, "dropout"))
        'points[0].dropout'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text if text.isprintable() else ascii(text)


def shown(value: object) -> str:
    """Write a value as a message quotes it.

    Args:
        value: What a file or an argument gave.

    Returns:
        A word as YAML has it; a text cut to 60 characters; of lists and mappings, only what they
        are.

    Example:
        >>> shown("1e-4"), shown(True), shown([1, 2])
        ("the text '1e-4'", 'true', 'a list')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {_short(value)}"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value)


def _short(text: str) -> str:
    cut = text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
    return repr(cut) if cut.isprintable() else ascii(cut)


def has_control_character(text: str) -> bool:
    r"""Tell whether a text holds one of Unicode's control characters, such as a tab or an escape.

    Args:
        text: A name or a label, which is to stand on one line of a terminal or a file.

    Example:
        >>> has_control_character("late goal"), has_control_character("late\tgoal")
        (False, True)
    """
    return not text.isprintable() and any(unicodedata.category(c) == "Cc" for c in text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names what was perhaps meant.

    Args:
        name: What was written.
        known: What could have been written.

    Returns:
        "; did you mean NAME?" for the nearest known name; "" where none is near.

    Example:
        >>> did_you_mean("hiden_size", ["hidden_size", "layers"])
        '; did you mean hidden_size?'
    """
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def problems_in(error: ValidationError, data: object, model: type[BaseModel]) -> list[Problem]:
    """Return every fault that pydantic found in some data.

    Args:
        error: What validating the data raised.
        data: What was validated.
        model: What it was meant to be.

    Returns:
        The faults in pydantic's order; those that only follow from another one are left out, and so
        is what could not be read in the first place.
    """
    every = error.errors(include_url=False)
    return [
        _problem(details, data, model)
        for details in every
        if details["input"] is not UNREAD and not _follows(details, every)
    ]


def _follows(details: ErrorDetails, every: list[ErrorDetails]) -> bool:
    """Tell whether a list is reported as too short only because one of its items is at fault."""
    path = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in every
    )


def _problem(details: ErrorDetails, data: object, model: type[BaseModel]) -> Problem:
    path, owners = _locate(details, data, model)
    if details["type"] == "extra_forbidden":
        return Problem(path, _unknown_key(str(path[-1]), owners, model))
    if details["type"] == "union_tag_invalid":
        return Problem((*path, _quoted(details["ctx"]["discriminator"])[0]), describe(details))
    return Problem(path, describe(details))


def _locate(
    details: ErrorDetails, data: object, model: type[BaseModel]
) -> tuple[KeyPath, list[type[BaseModel]]]:
    """Return the path within the data, and the models that the key's mapping may be.

    pydantic puts the tag of a union's member into the location, which is no key of the data.
    """
    path: list[str | int] = []
    owners: list[type[BaseModel]] = [model]
    within: list[type[BaseModel]] = owners
    location, is_missing = details["loc"], details["type"] == "missing"
    for position, part in enumerate(location):
        if _holds(data, part):
            data = data[part]  # type: ignore[index]
        elif not (part in _known(within) or (is_missing and position == len(location) - 1)):
            within = [owner for owner in within if _has_tag(owner, part)] or within
            continue
        path.append(part)
        owners, within = within, _below(within, part)
    return tuple(path), owners


def _known(models: list[type[BaseModel]]) -> set[str]:
    return {name for model in models for name in fields_by_key(model)}


def _holds(data: object, part: str | int) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)


def _has_tag(model: type[BaseModel], tag: str | int) -> bool:
    return any(
        get_origin(field.annotation) is Literal and tag in get_args(field.annotation)
        for field in model.model_fields.values()
    )


def _below(owners: list[type[BaseModel]], part: str | int) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    for owner in owners:
        field = fields_by_key(owner).get(str(part))
        found += _models_in(field.annotation) if field else []
    return found or owners


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def fields_by_key(model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields of a model by the names that a file gives them.

    Args:
        model: A section of a configuration.

    Returns:
        By its alias, or its name where it has none, what pydantic knows of each field.
    """
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _unknown_key(key: str, owners: list[type[BaseModel]], root: type[BaseModel]) -> str:
    known = _known(owners)
    near = did_you_mean(key, known)
    sections = [
        name
        for name, field in fields_by_key(root).items()
        if isinstance(field.annotation, type) and key in _known(_models_in(field.annotation))
    ]
    if near or not sections:
        return "unknown key" + (near or f"; expected one of {', '.join(sorted(known))}")
    return f"unknown key here; it belongs under {' or '.join(sections)}"


def describe(details: ErrorDetails) -> str:
    """Say what a value must be and what it was, with a hint where the mistake is a common one.

    Args:
        details: One entry of `ValidationError.errors()`.

    Returns:
        The end of a sentence whose subject is the key: "must be a number, but is the text '1e-4'
        (YAML wants 1.0e-4)".
    """
    kind, found = details["type"], details["input"]
    context: dict[str, Any] = details.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "is missing"
    expected = _EXPECTED.get(kind)
    if expected is None:
        reason = details["msg"]
        return f"{reason[:1].lower()}{reason[1:]}, but is {shown(found)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        found = context.get("tag")
    hint = _hint(kind, found, context)
    return f"must {expected(context)}, but is {shown(found)}{hint}"


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _choices(context: dict[str, Any]) -> list[str]:
    """Return what pydantic expected one of: texts in quotes, or one number."""
    expected = context.get("expected") or context["expected_tags"]
    return _quoted(expected) or [expected]


def _one_of(names: list[str]) -> str:
    return f"be one of {', '.join(names)}" if len(names) > 1 else f"be {names[0]}"


def _always(text: str) -> Callable[[dict[str, Any]], str]:
    return lambda _: text


_EXPECTED: dict[str, Callable[[dict[str, Any]], str]] = {
    "int_type": _always("be a whole number"),
    "float_type": _always("be a number"),
    "finite_number": _always("be a finite number"),
    "bool_type": _always("be true or false"),
    "string_type": _always("be text"),
    "tuple_type": _always("be a list"),
    "list_type": _always("be a list"),
    "dict_type": _always("be a mapping"),
    "model_type": _always("be a mapping"),
    "model_attributes_type": _always("be a mapping"),
    "greater_than": lambda context: f"be above {_bound(context['gt'])}",
    "greater_than_equal": lambda context: f"be at least {_bound(context['ge'])}",
    "less_than": lambda context: f"be below {_bound(context['lt'])}",
    "less_than_equal": lambda context: f"be at most {_bound(context['le'])}",
    "too_short": lambda context: f"hold at least {context['min_length']} item(s)",
    "literal_error": lambda context: _one_of(_choices(context)),
    "union_tag_invalid": lambda context: _one_of(_quoted(context["expected_tags"])),
    "union_tag_not_found": lambda context: f"say its {_quoted(context['discriminator'])[0]}",
}


def _hint(kind: str, found: object, context: dict[str, Any]) -> str:
    if kind in ("literal_error", "union_tag_invalid"):
        names = _choices(context)
        return did_you_mean(found, names) if isinstance(found, str) else _switch_hint(found)
    if kind in ("int_type", "float_type") and isinstance(found, str):
        return _number_hint(found)
    if kind == "int_type" and isinstance(found, float) and found.is_integer() and found < 1e12:
        return f" (write {int(found)})"
    return _switch_hint(found) if kind == "string_type" else ""


def _number_hint(text: str) -> str:
    match = _E_NOTATION.fullmatch(text.strip())
    if match:
        whole, fraction, sign, exponent = match.groups()
        decimals = fraction if fraction and fraction != "." else ".0"
        return f" (YAML wants {whole}{decimals}e{sign or '+'}{exponent})"
    try:
        float(text)
    except ValueError:
        return ""
    return " (without quotes it is a number)"


def _switch_hint(found: object) -> str:
    if isinstance(found, bool):
        return " (YAML reads yes, no, on and off so; quote a text)"
    return " (quote a text)" if isinstance(found, int | float) else ""


def _bound(value: float) -> str:
    """Return a bound as a person writes it; a large whole number keeps all of its digits."""
    return str(int(value)) if value == int(value) else f"{value:g}"
