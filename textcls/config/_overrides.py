"""Values from the command line that take the place of a file's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textcls.config._document import Document
from textcls.config._yaml_reader import UnreadableError, parse
from textcls.config.messages import Problem, shown


@dataclass(frozen=True, slots=True)
class Override:
    """A value for the key at a dotted path; errors call it by the flag that brought it."""

    key: str
    value: Any
    flag: str


def parse_override(text: str, document: Document) -> Override | None:
    """Parse `key.path=value`.

    Args:
        text: What `--set` was given; the value is YAML.
        document: Gets a problem where the text is not of that form.

    Returns:
        The key and its value; None where there was a problem.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    flag = f"--set {key}".strip()
    if not (key and equals):
        _refuse(document, flag, key, f"must look like train.epochs=2, but is {shown(text)}")
        return None
    try:
        parsed = parse(value)
    except UnreadableError as error:
        _refuse(document, flag, key, f"the value {error.reason}")
        return None
    if parsed.problems:
        _refuse(document, flag, key, f"the value {parsed.problems[0].message}")
        return None
    return Override(key, parsed.data, flag)


def apply(override: Override, document: Document) -> None:
    """Put one value into the data, creating the mappings on the way that are missing.

    An unknown key is not found here: the configuration's model refuses it later.

    Args:
        override: The key and its value.
        document: The data, which is changed; it gets a problem where the path leads through
            something that is neither a mapping nor a list.
    """
    *parents, last = override.key.split(".")
    path: tuple[str | int, ...] = ()
    container = document.data
    for part in parents:
        key = _key(part, container)
        if not _fits(container, key):
            _refuse_step(override, document, path, container, key)
            return
        path = (*path, key)
        if isinstance(container, dict) and container.get(key) is None:
            container[key] = {}
            document.set_by(override.flag, path)
        container = container[key]
    key = _key(last, container)
    if not _fits(container, key):
        _refuse_step(override, document, path, container, key)
        return
    container[key] = override.value
    document.set_by(override.flag, (*path, key))


def _key(part: str, container: object) -> str | int:
    """Read one part of a key path: an index, counted from 0, for a list; any text for a mapping."""
    is_index = part.isascii() and part.isdecimal() and len(part) < 6
    return int(part) if isinstance(container, list) and is_index else part


def _fits(container: object, key: str | int) -> bool:
    if isinstance(container, list):
        return isinstance(key, int) and key < len(container)
    return isinstance(container, Mapping)


def _refuse_step(
    override: Override,
    document: Document,
    path: tuple[str | int, ...],
    container: object,
    key: str | int,
) -> None:
    where = ".".join(str(part) for part in path)
    if isinstance(container, list):
        reason = f"{where} is a list of {len(container)}, so {key!r} is not an index of it"
    else:
        reason = f"{where} is {shown(container)}, so it has no key {key!r}"
    _refuse(document, override.flag, override.key, reason)


def _refuse(document: Document, flag: str, key: str, message: str) -> None:
    path = (flag, key)  # no path of the data: the message stands beside the flag alone
    document.places[path] = flag
    document.problems.append(Problem(path, message))
