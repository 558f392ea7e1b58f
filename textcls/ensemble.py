"""Several exported classifiers as one: their probabilities are averaged.

A folder with `ensemble.json` and a classifier folder (`textcls.bundle`) for each member. Averaging
the probabilities of models that err differently is better than most of them alone (Hansen and
Salamon 1990); it costs as many predictions as there are members.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textcls import bundle
from textcls.bundle import Bundle
from textcls.exceptions import BundleError

FORMAT = 1
_ABOUT = "ensemble.json"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Classifiers of the same classes."""

    members: tuple[Bundle, ...]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.members[0].label_names

    def probabilities(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return the mean of the members' probabilities, float32 (texts, classes)."""
        stacked = np.stack([member.probabilities(texts) for member in self.members])
        found: np.ndarray[Any, Any] = stacked.mean(axis=0)
        return found


def write_ensemble(folder: Path, members: Sequence[str], about: dict[str, Any]) -> None:
    """Declare classifier folders to be an ensemble.

    Args:
        folder: The folder that holds them.
        members: Their names within it.
        about: Facts to keep with the ensemble (JSON-able).
    """
    content = {"format": FORMAT, "members": list(members), "about": about}
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (folder / _ABOUT).write_text(text, encoding="utf-8")


def load_ensemble(folder: Path) -> Bundle | Ensemble:
    """Load the classifier or the ensemble in a folder.

    Raises:
        BundleError: The folder is missing, damaged or of another format.
    """
    path = folder / _ABOUT
    if not path.exists():
        return bundle.load_bundle(folder)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        names = [str(name) for name in about["members"]]
        version = about["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    if version != FORMAT:
        raise BundleError(f"{path}: format must be {FORMAT}, but is {version!r}")
    if not names or any(Path(name).name != name for name in names):
        raise BundleError(f"{path}: members must be folders beside it, but are {names}")
    members = tuple(bundle.load_bundle(folder / name) for name in names)
    if len({member.label_names for member in members}) > 1:
        raise BundleError(f"{path}: the members do not have the same classes")
    return Ensemble(members)
