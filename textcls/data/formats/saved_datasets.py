"""Folders that `datasets` wrote with `save_to_disk`: one set, or a folder for each split."""

from pathlib import Path

from textcls.config.models import DataConfig
from textcls.data._columns import Columns
from textcls.data.formats.hf_builders import quiet, reason
from textcls.data.formats.parquet_files import typed_columns
from textcls.exceptions import DataError

SPLITS, STATE = "dataset_dict.json", "state.json"


def is_saved(folder: Path) -> bool:
    """Tell whether a folder is one that `datasets.Dataset.save_to_disk` wrote.

    Args:
        folder: Of one set, or of a dictionary of splits.

    Returns:
        Whether the description that marks such a folder is there; its data is not looked at.
    """
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def saved_splits(folder: Path) -> list[Path]:
    """Return the folders that hold rows.

    Args:
        folder: One of which `is_saved` is true.

    Returns:
        Those of the splits by name, or the folder itself where it holds one set.
    """
    if (folder / STATE).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{STATE}"))


def read_saved(folder: Path, place: str, data: DataConfig) -> Columns:
    """Read one folder of rows.

    Args:
        folder: One that `saved_splits` returned.
        place: What messages call it.
        data: The columns where they are set.

    Returns:
        As `textcls.data.formats.parquet_files.typed_columns`.

    Raises:
        DataError: `datasets` cannot read it, or a column is missing or of a useless type.
    """
    import datasets

    try:
        with quiet():
            dataset = datasets.load_from_disk(str(folder))
    except Exception as error:  # a missing file, damaged JSON, damaged Arrow: each its own type
        raise DataError(
            f"{place}: cannot be read as a folder of save_to_disk: {reason(error)}; expected "
            "state.json, dataset_info.json and Arrow files"
        ) from error
    return typed_columns(dataset, place, data)
