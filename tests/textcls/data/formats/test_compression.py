import gzip
import zipfile
from pathlib import Path

import pytest
from dataset_parts import ROWS, lines, read_data, rows_of

from textcls.exceptions import DataError

CSV = lines(",", header="text,label\n")


def test_gzip(tmp_path: Path) -> None:
    for name in ("train.csv.gz", "test.tsv.gz"):
        content = lines("\t" if "tsv" in name else ",", header="")
        (tmp_path / name).write_bytes(gzip.compress(content.encode()))
    data = read_data(tmp_path)
    assert rows_of(data) == sorted(ROWS * 2)


def test_a_bad_row_in_gzip_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv.gz"
    file.write_bytes(gzip.compress((CSV + ",pos\n").encode()))
    with pytest.raises(DataError, match=r"rows.csv.gz: 1 of 41 rows .*\n.* \(line 42\)"):
        read_data(file)
    file.write_bytes(gzip.compress(CSV.encode())[:-20])
    with pytest.raises(DataError, match="cannot be unpacked as gzip"):
        read_data(file)


@pytest.mark.parametrize("inside", ["rows.csv", "train.csv", "corpus/data/train.csv"])
def test_zip(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "all.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(inside, CSV)
        archive.writestr("__MACOSX/._rows.csv", "x")
    assert rows_of(read_data(file)) == sorted(ROWS)


def test_a_bad_row_in_an_archive_is_named_by_the_archive_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train.csv", CSV)
        archive.writestr("test.csv", CSV + ",pos\n")
    with pytest.raises(DataError) as caught:
        read_data(file)
    assert str(caught.value).startswith(f"{file}/test.csv: 1 of 41 rows")
    assert "(line 42)" in str(caught.value)
