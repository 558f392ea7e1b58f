"""Read the code and the commands out of the pages of the documentation."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "benchmarks" / "README.md"])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]+)`")
_OWN = re.compile(r"\b(textcls-tune|python -m (?:tune|textcls)\.\w+)(?= |$)")
_BEFORE = ("|", "&&", "--", "...", "=...")
"""What may stand before a command on its line: a pipe, another command, variables."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: its language, "" where none is named, and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def lines(text: str) -> Iterator[str]:
    """Yield the lines of a shell block, those that a backslash continues as one."""
    yield from (line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip())


def commands(page: Path) -> list[list[str]]:
    """Return every command of this program on a page, in blocks and in the text, as arguments.

    What stands before it on its line (another command's pipe, variables) is left out, and so is
    what a shell would read as a comment. "..." alone stands for other options and is left out too.
    """
    text = page.read_text(encoding="utf-8")
    written = [
        line
        for block in blocks(page)
        if block.language in ("", "sh")
        for line in lines(block.text)
        if not line.startswith(("#", "usage:"))
    ]
    written += _INLINE.findall(_BLOCK.sub("", text))
    found = []
    for line in written:
        match = _OWN.search(line)
        if match is None or (
            match.start() and not line[: match.start()].rstrip().endswith(_BEFORE)
        ):
            continue
        words = shlex.split(line[match.start() :], comments=True)
        words = words[: words.index(">")] if ">" in words else words
        found.append([word for word in words if word != "..."])
    return found


def options_alone(page: Path) -> set[str]:
    """Return the options that a page names in its text without their command."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    found = (re.match(r"(?:\.\.\. )?(--[a-z][a-z-]*)", each) for each in _INLINE.findall(text))
    return {match[1] for match in found if match}


def keys(page: Path, sections: set[str]) -> set[str]:
    """Return the keys of a search file that a page names, such as `data.bad_rows`."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    begins = "|".join(sorted(sections))
    key = re.compile(rf"(?:--set )?((?:{begins})\.[a-z_]+(?:\.[a-z_]+)?)(?:[=:].*)?$")
    found = map(key.match, _INLINE.findall(text))
    return {
        match[1] for match in found if match and not match[1].endswith((".yaml", ".md", ".log"))
    }


def as_command(words: list[str]) -> list[str]:
    """Return the arguments of `textcls-tune` for either form of a command."""
    if words[0] == "textcls-tune":
        return words[1:]
    return [words[2].split(".", 1)[1], *words[3:]]
