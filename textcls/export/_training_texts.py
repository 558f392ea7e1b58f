"""Read again the held-out texts of an exported classifier."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from textcls.config.models import DataConfig
from textcls.exceptions import BundleError, TextclsError
from textcls.export.small_bundle import HeldOut
from textcls.runtime.bundle_files import Description

if TYPE_CHECKING:
    from textcls.data.dataset import TextDataset

MOST_TEXTS = 20_000
"""More say nothing new about a thousandth of them."""


def read_held_out(
    description: Description, say: Callable[[str], None], place: str | None = None
) -> HeldOut:
    """Return the texts of validation, else of test, that the classifier was not trained on.

    Args:
        description: The classifier's.
        say: Gets notices.
        place: Where the data lies; by default what has the recorded name here, of which a
            classifier keeps the last part only.

    Raises:
        BundleError: They cannot be read, or are no longer those of the training; the message says
            that other texts may be named.
    """
    about = description.about
    recorded = (about.configuration or {}).get("data")
    if recorded is None:
        raise BundleError(f"the classifier does not record its data; {_INSTEAD}")
    try:
        named = {} if place is None else {"name": place}
        data = DataConfig.model_validate({**recorded, **named})
        say(f"Reading {Path(data.name).name} again, to compare with its held-out texts.")
        dataset = _read(data, (about.provenance or {}).get("data_fingerprint"))
    except ValidationError as error:
        raise BundleError(f"the classifier's record of its data is damaged; {_INSTEAD}") from error
    except TextclsError as error:
        raise BundleError(f"{error}; {_INSTEAD}") from error
    if dataset.label_names != description.label_names:
        raise BundleError(f"the data has other classes than the classifier; {_INSTEAD}")
    learnt = (about.search or {}).get("trained_on_validation")
    names = ("test",) if learnt else ("validation", "test")
    split = next(name for name in names if name in dataset.splits)  # every data set has a test
    step = -(-len(dataset.splits[split]) // MOST_TEXTS)
    texts = dataset.splits[split].every(step).to_pylist()
    return HeldOut(split, texts, dataset.splits[split].labels[::step])


_INSTEAD = (
    "say where the data of the training lies with --data, or name a file of texts to compare on "
    "with --rows FILE"
)


def _read(data: DataConfig, fingerprint: Any) -> "TextDataset":
    from textcls.data import dataset

    source = dataset.locate(data)
    if fingerprint is not None and source.fingerprint != fingerprint:
        raise BundleError(f"{source.name}: has changed since, or is now read in another way")
    return source.read()
