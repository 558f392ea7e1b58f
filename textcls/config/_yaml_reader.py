"""Read YAML text into plain data, with the line of every key.

A configuration needs mappings, lists, texts, numbers, booleans and null. Everything else that YAML
can say is refused, with its line: tags that name types, aliases (with them a few lines can stand
for gigabytes), a key given twice (YAML would drop one silently), keys that are not text, and
nesting deeper than any configuration.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml

from textcls.config.messages import UNREAD, KeyPath, Problem, shown

MAX_DEPTH = 20
"""Levels of nesting; a search space needs five."""
MAX_CHARACTERS = 200_000
"""A search space has some 3,000; PyYAML takes seconds beyond this."""
MAX_NUMBER = 60
"""Characters of a number; Python refuses to print one of 4,300 digits."""

_PLAIN = "tag:yaml.org,2002:"
_NUMBERS = (_PLAIN + "int", _PLAIN + "float")
_CONSTRUCTED = (*_NUMBERS, _PLAIN + "bool", _PLAIN + "null")
_TEXTS = tuple(_PLAIN + name for name in ("str", "timestamp", "merge", "value"))


class UnreadableError(Exception):
    """Not YAML at all: carries the line, counted from 1, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Parsed:
    """Plain data, the line of each key and list item, and what is wrong but did not stop it."""

    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse(text: str) -> Parsed:
    """Read one YAML document; an empty one gives None.

    Raises:
        UnreadableError: The text is not YAML, or is longer or deeper than any configuration.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError(
            1, f"must not exceed {MAX_CHARACTERS:,} characters, but has {len(text):,}"
        )
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableError(line, f"must be text, but holds {_character(error)}") from error
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from error
    parsed = Parsed(None)
    if node is None:
        return parsed
    data = _Converter(loader, parsed).convert(node, ())
    return Parsed(data, parsed.lines, parsed.problems)


class _Loader(yaml.SafeLoader):
    """Refuse, while nodes are composed, what would cost memory or stack later."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(
                f"holds the alias *{event.anchor}, which is not read; write the value out", event
            )
        if self._depth == MAX_DEPTH:
            raise _refusal(f"must not nest deeper than {MAX_DEPTH} levels", event)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Converter:
    """Turn nodes into data, collecting lines and problems on the way."""

    def __init__(self, loader: _Loader, parsed: Parsed) -> None:
        self._loader = loader
        self._lines = parsed.lines
        self._problems = parsed.problems

    def convert(self, node: yaml.Node, path: KeyPath) -> Any:
        self._lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _PLAIN + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _PLAIN + "seq":
            return self._sequence(node, path)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            place = (*path, key)
            if key in data:
                self._add(place, f"is given twice, first in line {self._lines[place]}", key_node)
            else:
                self._lines[place] = _line(key_node)
                data[key] = self.convert(value_node, place)
        return data

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._add(path, "keys must be text, but one is a mapping or a list", node)
            return None
        key = self._scalar(node, path)
        if isinstance(key, str):
            return key
        if key is not UNREAD:
            self._add(path, f"keys must be text, but one is {shown(key)}", node)
        return None

    def _sequence(self, node: yaml.SequenceNode, path: KeyPath) -> list[Any]:
        return [self.convert(item, (*path, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        """Convert a scalar; return UNREAD, and note a problem, where it has no value."""
        if not isinstance(node, yaml.ScalarNode) or node.tag not in (*_TEXTS, *_CONSTRUCTED):
            tag = ascii(node.tag.replace(_PLAIN, "!!"))[1:-1]
            return self._add(path, f"has the tag {tag}, which is not read", node)
        if node.tag in _TEXTS:  # a date is no value here, but may name a folder
            return self._text(node, path)
        try:
            if len(node.value) > MAX_NUMBER:
                raise ValueError
            return self._loader.construct_object(node)
        except (ValueError, IndexError, KeyError, yaml.YAMLError):
            kind = "number" if node.tag in _NUMBERS else "value"
            return self._add(path, f"cannot be read as a {kind}: {shown(node.value)}", node)

    def _text(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text: str = node.value
        if any("\ud800" <= letter <= "\udfff" for letter in text):  # no encoding can write it
            return self._add(path, f"must be valid Unicode text, but is {shown(text)}", node)
        return text

    def _add(self, path: KeyPath, message: str, node: yaml.Node) -> Any:
        self._problems.append(Problem(path, message, _line(node)))
        return UNREAD


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _refusal(reason: str, event: yaml.Event) -> UnreadableError:
    return UnreadableError(event.start_mark.line + 1 if event.start_mark else 1, reason)


def _unreadable(error: yaml.MarkedYAMLError) -> UnreadableError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    problem = error.problem or "unknown reason"
    if "'\\t'" in problem:
        return UnreadableError(line, "holds a tab where YAML wants spaces")
    context = f"{error.context}, " if error.context else ""
    return UnreadableError(line, f"is not YAML: {context}{problem}")


def _character(error: yaml.reader.ReaderError) -> str:
    character = error.character
    code = ord(character) if isinstance(character, str) else int(character)
    return f"the control character U+{code:04X}"
