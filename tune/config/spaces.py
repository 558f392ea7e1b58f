"""Find a search space: a file of one's own, or one of those that come with the package."""

import re
from dataclasses import dataclass
from pathlib import Path

from textcls.config.messages import did_you_mean
from textcls.exceptions import ConfigError

_FILE_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class ShippedSpace:
    """A search space that comes with the package, as the head of its file describes it."""

    name: str
    """Name that `--space` takes."""
    path: Path
    """Its file."""
    purpose: str
    """Purpose: the first sentence of the head."""
    duration: str
    """Duration and machine: the head's paragraph that begins with "Takes"."""


def find_space(name_or_path: str | Path) -> Path:
    """Return the file of a search space.

    A text with a slash or that ends in `.yaml` or `.yml` is the path of a file. Any other text is
    a file of exactly that name in the working directory, where there is one, and else the name of
    a search space that comes with the package.

    Args:
        name_or_path: Such as "gru", "mine.yaml" or "spaces/mine".

    Returns:
        The path. A path that was given is returned as it is; whoever reads the file says so if
        it is missing.

    Raises:
        ConfigError: The text is neither; the message lists the names that are known.

    Example:
        >>> find_space("gru").name
        'gru.yaml'
    """
    text, path = str(name_or_path), Path(name_or_path)
    shipped = _shipped_files()
    if "/" in text or path.suffix in _FILE_ENDINGS:
        if path.stem in shipped and not _exists(path):
            raise ConfigError(
                f"{_printable(text)}: no such file; the search space of that name that comes "
                f"with the package is called {path.stem}, without a folder and without .yaml"
            )
        return path
    if text and _exists(path) and not path.is_dir():
        return path
    if text in shipped:
        return shipped[text]
    raise ConfigError(
        f"{_printable(text)}: neither a file nor a search space that comes with the package"
        f"{did_you_mean(text, shipped)}; those are {', '.join(shipped) or 'missing here'}"
    )


def shipped_spaces() -> list[ShippedSpace]:
    """Return the search spaces that come with the package, by name, with what each is for."""
    return [_described(name, path) for name, path in _shipped_files().items()]


def _shipped_files() -> dict[str, Path]:
    """Return the files by name, in alphabetical order.

    A wheel holds them within `tune`; in a checkout, and so in an editable install, they lie at
    the top.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "search_spaces", package.parent / "search_spaces"):
        if files := sorted(folder.glob("*.yaml")):
            return {path.stem: path for path in files}
    return {}


def _described(name: str, path: Path) -> ShippedSpace:
    paragraphs = _head(path.read_text(encoding="utf-8"))
    purpose = re.split(r"(?<=\.)\s", paragraphs[0], maxsplit=1)[0]
    durations = [each for each in paragraphs if each.startswith("Takes ")]
    return ShippedSpace(name, path, purpose, durations[0] if durations else "")


def _head(text: str) -> list[str]:
    """Return the paragraphs of the comment that a file begins with, each on one line."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    joined = "\n".join(lines)
    return [" ".join(each.split()) for each in re.split(r"\n{2,}", joined)]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # such as a name that is too long, or holds a null byte
        return False


def _printable(text: str) -> str:
    return text if text and text.isprintable() else ascii(text)
