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
from textcls.runtime.bundle_files import ENSEMBLE, read_members

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Classifiers of the same classes."""

    members: tuple[Bundle, ...]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.members[0].label_names

    def probabilities(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return the mean of the members' probabilities.

        Args:
            texts: Any number of texts, also none.

        Returns:
            float32 (texts, classes), in the order of `label_names`; each row sums to 1.
        """
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
    (folder / ENSEMBLE).write_text(text, encoding="utf-8")


def load_ensemble(folder: Path) -> Bundle | Ensemble:
    """Load the classifier or the ensemble in a folder.

    Args:
        folder: Holds `ensemble.json` and a folder for each member, or the files of a single bundle.

    Returns:
        One torch classifier, or several as one.

    Raises:
        BundleError: The folder is missing, damaged or of another format, or the members' classes
            differ.
    """
    names = read_members(folder)
    if names is None:
        return bundle.load_bundle(folder)
    members = tuple(bundle.load_bundle(folder / name) for name in names)
    if len({member.label_names for member in members}) > 1:
        raise BundleError(f"{folder / ENSEMBLE}: the members do not have the same classes")
    return Ensemble(members)
