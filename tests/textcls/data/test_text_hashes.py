"""Hashes of texts tell apart what Python tells apart, and nothing else."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from textcls.data import _splits
from textcls.data._text_hashes import hash_texts

PARTS = [
    *("a", "B", "c1", "k", "K", "é", "É", "\u212a", "好"),
    *(" ", "\t", "\n", "\x1c", "\v", "\u00a0", "\u2003"),
]


def some_texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(PARTS, rng.integers(0, 5))) for _ in range(count)]


def plain(text: str) -> str:
    return text.strip().lower()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_equal_texts_have_equal_hashes_apart_from_case_and_blanks(kind: pa.DataType) -> None:
    texts = some_texts(6_000)
    chunks = [pa.array(texts[:1000], kind), pa.array(texts[1000:], kind).slice(0, 5_000)]
    hashes = hash_texts(pa.chunked_array(chunks))
    by_text: dict[str, set[int]] = {}
    for text, value in zip(texts, hashes.tolist(), strict=True):
        by_text.setdefault(plain(text), set()).add(value)
    assert 100 < len(by_text) < 5_000
    assert all(len(values) == 1 for values in by_text.values())
    assert len(set(hashes.tolist())) == len(by_text)


def test_a_slice_of_texts_is_hashed_from_its_own_place() -> None:
    texts = pa.array(["first", "Second ", "Zweite ä", ""])
    whole, part = hash_texts(pa.chunked_array([texts])), hash_texts(pa.chunked_array([texts[1:]]))
    assert whole[1:].tolist() == part.tolist()
    assert hash_texts(pa.chunked_array([], pa.string())).tolist() == []


def test_many_texts_get_the_numbers_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.chunked_array([pa.array(some_texts(3_000))])
    few = _splits.text_codes(texts)
    monkeypatch.setattr(_splits, "_MANY", 1)
    np.testing.assert_array_equal(_splits.text_codes(texts), few)
    numbers: dict[str, int] = {}
    expected = [numbers.setdefault(plain(text), len(numbers)) for text in texts.to_pylist()]
    assert few.tolist() == expected


def test_texts_of_which_none_is_equal_are_numbered_in_turn() -> None:
    texts = pa.chunked_array([pa.array([f"text {i}" for i in range(50)])])
    assert _splits.text_codes(texts).tolist() == list(range(50))


def test_reading_and_looking_at_a_file_imports_no_pandas(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(60)))
    program = (
        "import sys; from textcls.inspect import main; code = main([sys.argv[1]]); "
        "sys.exit(code or 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing looks wrong" in done.stdout
