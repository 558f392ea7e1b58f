"""A configuration before it is checked: its data, the place of each value, the problems found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from textcls.config.messages import KeyPath, Problem, dotted
from textcls.exceptions import ConfigError

_AFTER_THE_FILE = 10**9
"""Sorts the command line's problems behind those of any line."""


@dataclass(slots=True)
class Document:
    """A file's data with the command line's values laid over it."""

    name: str
    data: Any = field(default_factory=dict)
    places: dict[KeyPath, int | str] = field(default_factory=dict)
    """The line of each key, or the flag that set it; what is not listed came with its parent."""
    problems: list[Problem] = field(default_factory=list)
    names_alone: set[KeyPath] = field(default_factory=set)
    """Sections that were written as their name alone, `model: gru`."""

    def set_by(self, flag: str, path: KeyPath) -> None:
        """Note that a flag of the command line gave the value at `path` and all below it."""
        stale = [known for known in self.places if known[: len(path)] == path]
        for known in stale:
            del self.places[known]
        self.names_alone.discard(path)
        self.places[path] = flag

    def error(self, problems: Sequence[Problem]) -> ConfigError:
        """Return one error for all problems: those of the file by line, then the command line's."""
        located = dict.fromkeys(self._located(problem) for problem in problems)  # each once
        lines = [line for _, line in sorted(located, key=lambda item: item[0])]
        count = f"{len(lines)} problem" + ("s" if len(lines) > 1 else "")
        return ConfigError("\n  ".join([f"{self.name}: {count}", *lines]))

    def _located(self, problem: Problem) -> tuple[int, str]:
        """Return the problem's sort key and its line of the message."""
        path = problem.path
        if path[:-1] in self.names_alone and path[-1:] == ("name",):
            path = path[:-1]
        place = problem.line or self._place(path)
        if isinstance(place, str):
            where = place if path in self.places else f"{place}, {dotted(path)}"
            return _AFTER_THE_FILE, f"{where}: {problem.message}"
        line = f"line {place}" if place else ""
        where = ", ".join(part for part in (line, dotted(path)) if part)
        return place, f"{where}: {problem.message}" if where else problem.message

    def _place(self, path: KeyPath) -> int | str:
        """Return the place of the key or of the nearest mapping around it; 0 where unknown."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, 0)
