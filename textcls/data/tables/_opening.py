"""Make a file one that can be read a portion at a time: unpacked, in UTF-8, a row on each line.

Workbooks become CSV, and JSON files that hold an array or one object become JSON lines, so that
whatever a search was trained on can be predicted as well.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from textcls.data.formats.compression import GZIP, inner_name, unpack_gzip
from textcls.data.formats.encodings import UTF8, detect_encoding, rewrite_as_utf8
from textcls.data.formats.json_objects import WHOLE, unfold_object
from textcls.exceptions import DataError


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """A file as its reader wants it.

    place: what messages call it. unit: "line" or "row", what a row is counted as. notices: what
    there is to say about how it is read.
    """

    path: Path
    place: str
    unit: str = "line"
    notices: tuple[str, ...] = ()


def open_lines(path: Path, scratch: Path, encoding: str | None) -> OpenedTable:
    """Unpack a file of text and write it as UTF-8.

    Args:
        path: The file; `.gz` behind its name is unpacked.
        scratch: A folder for copies, which stays while the table is read.
        encoding: The encoding of the file; None to tell it by the content.
    """
    opened = open_packed(path, scratch)
    path, place = opened.path, opened.place
    found = detect_encoding(path)
    name = encoding or found.name
    if name.replace("_", "-").lower() in (UTF8, "utf8", "utf-8-sig"):
        return opened
    out = scratch / f"utf-8 {path.name}"
    rewrite_as_utf8(path, name, out, place)
    example = f", such as {found.example!r}" if found.example else ""
    said = () if encoding else (f"{place}: read as {name}{example}; --encoding names another",)
    return OpenedTable(out, place, notices=said)


def open_packed(path: Path, scratch: Path) -> OpenedTable:
    """Unpack a file whose name ends in `.gz`; any other stays as it is."""
    place = str(path)
    if path.suffix.lower() == GZIP:
        path = unpack_gzip(path, scratch, place)
    return OpenedTable(path, place)


def open_objects(path: Path, scratch: Path, encoding: str | None) -> OpenedTable:
    """Open a file of JSON objects, each on a line of its own.

    An array of objects is written as lines; in `.json`, where training does so too, also an object
    of columns and an object with one list of rows.

    Args:
        path: The file.
        scratch: A folder for unpacked and rewritten copies.
        encoding: That of the file; None to tell it by the content.

    Raises:
        DataError: It is no valid JSON, or holds several splits.
    """
    opened = open_lines(path, scratch, encoding)
    with opened.path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        first = next((line.lstrip() for line in file if not line.isspace()), "")
    if first.startswith("["):
        lines = _array_as_lines(opened, scratch)
        return OpenedTable(lines, opened.place, "row", opened.notices)
    if Path(inner_name(path)).suffix.lower() != ".json":
        return opened  # a single row of JSON lines may hold lists as well
    files = unfold_object(opened.path, scratch).files
    if WHOLE in files:
        return OpenedTable(files[WHOLE], opened.place, "row", opened.notices)
    if files:
        raise DataError(
            f"{opened.place}: holds the splits {', '.join(files)}; write the one that is to be "
            "predicted to a file of its own"
        )
    return opened


def _array_as_lines(opened: OpenedTable, scratch: Path) -> Path:
    text = opened.path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{opened.place}: line {error.lineno}, column {error.colno}: no valid JSON "
            f"({error.msg}); expected an array of objects"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{opened.place}: no JSON that can be read ({error})") from error
    if rows and all(isinstance(row, str) for row in rows):  # texts alone
        rows = [{"text": row} for row in rows]
    out = scratch / "rows of the array.jsonl"
    with out.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return out


def open_workbook(path: Path, scratch: Path) -> OpenedTable:
    """Write the first sheet of a workbook that has a table as CSV."""
    from textcls.data.formats.spreadsheets import write_sheet

    out = scratch / f"{path.stem}.csv"
    place, _, said = write_sheet(path, str(path), out)
    return OpenedTable(out, place, "row", tuple(said))
