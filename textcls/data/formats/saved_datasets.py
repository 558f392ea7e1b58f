"""Folders that `datasets` wrote with `save_to_disk`: one set, or a folder for each split."""

from pathlib import Path

from textcls.config.models import DataConfig
from textcls.data._columns import Columns
from textcls.data.formats.hf_builders import quiet, reason
from textcls.data.formats.parquet_files import typed_columns
from textcls.exceptions import DataError

SPLITS, STATE = "dataset_dict.json", "state.json"


def is_saved(folder: Path) -> bool:
    """Tell whether a folder is one that `save_to_disk` wrote."""
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def saved_splits(folder: Path) -> list[Path]:
    """Return the folders that hold rows: those of the splits, or the folder itself."""
    if (folder / STATE).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{STATE}"))


def read_saved(folder: Path, place: str, data: DataConfig) -> Columns:
    """Read one folder of rows.

    Raises DataError where `datasets` cannot read it, or a column is missing or of a useless type.
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
