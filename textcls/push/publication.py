"""Publish an exported classifier on the Hugging Face hub, with its model card."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textcls.analysis.model_card import CARD, card_text, with_metadata
from textcls.exceptions import BundleError
from textcls.hub.repositories import upload_folder
from textcls.runtime.bundle_files import (
    DESCRIPTION,
    ENSEMBLE,
    About,
    read_bundle,
    read_members,
)

_KINDS = (".json", ".safetensors")


def publish_bundle(
    folder: Path,
    name: str,
    *,
    private: bool = False,
    token: str | None = None,
    licence: str | None = None,
    languages: Sequence[str] = (),
) -> str:
    """Upload a classifier, or an ensemble, with its model card.

    The card in its folder is taken as it is, completed by licence and languages; where there is
    none, one is written. Of a path to the training data only the last part is published.

    Args:
        folder: The classifier's folder.
        name: The repository, `user/name`; it is made where there is none.
        private: Make a new repository private.
        token: Of an account that may write; by default that of `hf auth login` or HF_TOKEN.
        licence: The identifier of a licence, such as "mit".
        languages: Of the texts, as ISO 639-1 has them, such as "en".

    Returns:
        The address of the repository's page.

    Raises:
        BundleError: The folder holds no sound classifier.
        HubError: The hub cannot be reached, or refuses.

    Example::

        publish_bundle(Path("runs/tickets/best"), "ann/tickets", licence="mit", languages=["en"])
    """
    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        stage_bundle(folder, Path(scratch), licence, languages)
        return upload_folder(Path(scratch), name, private=private, token=token)


def stage_bundle(
    folder: Path, out: Path, licence: str | None = None, languages: Sequence[str] = ()
) -> None:
    """Write what `publish_bundle` uploads into an empty folder, after checking it.

    Args:
        folder: The classifier's folder.
        out: The empty folder.
        licence: The identifier of a licence; None to leave the card's.
        languages: Codes of the texts' languages; none to leave the card's.

    Raises:
        BundleError: The folder holds no sound classifier.
    """
    members = read_members(folder)
    if members is None:
        description = read_bundle(folder).description
        _copy(folder, out)
    else:
        descriptions = [read_bundle(folder / each).description for each in members]
        description = descriptions[0]
        shutil.copyfile(folder / ENSEMBLE, out / ENSEMBLE)
        for each in members:
            (out / each).mkdir()
            _copy(folder / each, out / each)
    own = folder / CARD
    try:
        card = own.read_text(encoding="utf-8") if own.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{own}: cannot be read: {error}") from error
    if card is None:
        card = card_text(description, members=1 if members is None else len(members))
    (out / CARD).write_text(with_metadata(card, own, licence, languages), encoding="utf-8")


def _copy(folder: Path, out: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _KINDS and path.name != DESCRIPTION:
            shutil.copyfile(path, out / path.name)
    content: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if "about" in content:  # of an earlier version, which kept whole paths
        about = About.model_validate(content["about"]).without_folders()
        content["about"] = about.model_dump(exclude_unset=True)
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (out / DESCRIPTION).write_text(text, encoding="utf-8")
