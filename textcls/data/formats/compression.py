"""Unpack gzip files and zip archives into a scratch folder."""

import gzip
import shutil
import zipfile
import zlib
from pathlib import Path

from textcls.exceptions import DataError

GZIP, ZIP = ".gz", ".zip"


def inner_name(path: Path) -> str:
    """Return the name that a file has once it is unpacked.

    Args:
        path: Need not exist.

    Returns:
        `train.csv` for `train.csv.gz`; the name as it is for any other.

    Example:
        >>> inner_name(Path("data/train.csv.gz"))
        'train.csv'
    """
    return path.name[: -len(GZIP)] if path.suffix.lower() == GZIP else path.name


def unpack_gzip(path: Path, folder: Path, place: str) -> Path:
    """Unpack a gzip file.

    Args:
        path: The packed file, which stays as it is.
        folder: Where its content is written, under `inner_name`.
        place: What messages call the file.

    Returns:
        The path of the content.

    Raises:
        DataError: The file is damaged or cut off.
        OSError: The disk is full, for one.
    """
    out = folder / inner_name(path)
    try:
        with gzip.open(path) as packed, out.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{place}: cannot be unpacked as gzip: {error}") from error
    return out


def unpack_zip(path: Path, folder: Path, place: str) -> Path:
    """Unpack a zip archive.

    Args:
        path: The archive.
        folder: Where its members are written; none can get outside of it.
        place: What messages call the archive.

    Returns:
        `folder`.

    Raises:
        DataError: The archive is damaged, needs a password, or holds more than the disk has free.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            free = shutil.disk_usage(folder).free
            if size > free:
                raise DataError(
                    f"{place}: holds {size:,} bytes, but the disk of {folder} has {free:,} free"
                )
            archive.extractall(folder)  # which keeps every member inside the folder
    except DataError:
        raise
    except Exception as error:  # damage shows as errors of seven types and of the file system
        raise DataError(f"{place}: cannot be unpacked as zip: {error}") from error
    return folder
