import gzip
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcls.exceptions import EmbeddingError
from textcls.vectors._files import read_vectors

SHARED = Path(__file__).parents[4] / "shared"

WORDS = ["<pad>", "the", "absent", "été", "B"]
TABLE = {
    "the": [0.25, -1.5, 3.0],
    "unasked": [9.0, 9.0, 9.0],
    "été": [1e-3, 0.5, -2.0],
    "b": [7.0, 7.0, 7.0],
    "B": [4.0, 5.0, 6.0],
}


def text_lines(table: dict[str, list[float]] = TABLE) -> list[str]:
    return [" ".join([word, *map(str, row)]) for word, row in table.items()]


def as_text(lines: Sequence[str], header: str | None = "5 3") -> bytes:
    return "".join(f"{line}\n" for line in [*([header] if header else []), *lines]).encode()


def as_binary(table: dict[str, list[float]] = TABLE, feed: bytes = b"\n") -> bytes:
    rows = (word.encode() + b" " + struct.pack("<3f", *row) + feed for word, row in table.items())
    return f"{len(table)} 3\n".encode() + b"".join(rows)


def keyed_vectors(table: dict[str, list[float]] = TABLE) -> KeyedVectors:
    vectors = KeyedVectors(3)
    vectors.add_vectors(list(table), np.array(list(table.values()), dtype=np.float32))
    return vectors


def check(path: Path) -> None:
    """The file gives the rows of TABLE for WORDS."""
    known, values = read_vectors(path, WORDS)
    assert known.tolist() == [word in TABLE for word in WORDS]
    expected = [TABLE.get(word, [0.0, 0.0, 0.0]) for word in WORDS]
    np.testing.assert_array_equal(values, np.array(expected, dtype=np.float32))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(as_text(text_lines()), id="word2vec text"),
        pytest.param(as_text(text_lines(), header=None), id="GloVe text"),
        pytest.param(as_text([f"{line} " for line in text_lines()]), id="a space ends each line"),
        pytest.param(as_text(text_lines()).replace(b"\n", b"\r\n"), id="carriage returns"),
        pytest.param(as_text(text_lines())[:-1], id="no line feed at the end"),
        pytest.param(b"\xef\xbb\xbf" + as_text(text_lines()), id="byte order mark"),
        pytest.param(as_text([*text_lines(), ""]), id="an empty line at the end"),
        pytest.param(
            as_text([*text_lines(), "name@ domain.com 1 2 3"], "6 3"), id="a space in a word"
        ),
        pytest.param(
            as_text(text_lines()).replace(b"unasked", b"\xff\xfe\x85"), id="a word not in UTF-8"
        ),
        pytest.param(as_binary(), id="word2vec binary"),
        pytest.param(as_binary(feed=b""), id="word2vec binary without line feeds"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_every_format_gives_the_same_rows(tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / "vectors"  # recognised by its content, not by its name
    path.write_bytes(gzip.compress(content) if packed else content)
    check(path)


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_in_word2vec_format_is_read(tmp_path: Path, binary: bool) -> None:
    path = tmp_path / "vectors"
    keyed_vectors().save_word2vec_format(str(path), binary=binary)
    check(path)


@pytest.mark.parametrize("sep_limit", [1 << 20, 1], ids=["in one file", "array beside"])
def test_what_gensim_saves_is_read(tmp_path: Path, sep_limit: int) -> None:
    path = tmp_path / "vectors.kv"
    keyed_vectors().save(str(path), sep_limit=sep_limit)
    assert (tmp_path / "vectors.kv.vectors.npy").exists() == (sep_limit == 1)
    check(path)


def test_of_a_word_given_twice_the_first_row_counts(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(as_text([*text_lines(), "the 8 8 8"], "6 3"))
    check(path)


def test_a_file_larger_than_a_block_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textcls.vectors._files._BLOCK", 7)
    monkeypatch.setattr("textcls.vectors._files._LONGEST_WORD", 24)
    for name, content in (("text", as_text(text_lines())), ("binary", as_binary())):
        (tmp_path / name).write_bytes(content)
        check(tmp_path / name)


LINES = text_lines()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1: expected a word and its numbers"),
        (b"<html>404</html>\n", "line 1: expected a word and its numbers"),
        (b"5 3\n", "line 1: the file ends without a vector"),
        (b"5 0\n", "line 1: vectors of 0 numbers; expected 1 to 65,536"),
        (b"5 99999999999\nthe 1 2 3\n", "line 1: vectors of 99,999,999,999 numbers"),
        (as_text(LINES[:3]), "line 4: the file ends after 3 vectors, its first line promises 5"),
        (as_text(LINES, "4 3"), "line 6: the file ends after 5 vectors, its first line promises 4"),
        (as_text(LINES)[:-8], "line 6: expected a word and 3 numbers, but found 'B 4.0'"),
        (as_text([*LINES[:2], "the 1 2"], None), "line 3: expected a word and 3 numbers"),
        (as_text([*LINES[:2], "x 1 2 3 4"], None), "line 3: .* but found 'x 1 2 3 4'"),
        (as_text(["the 1 2 x"], "1 3"), "line 2: expected a word and 3 numbers, but found"),
        (as_text(["unasked 1 2 x"], "1 3"), "line 2: expected a word and 3 numbers, but found"),
        (as_text(["the 1.2.3 2 3"], "1 3"), "line 2: expected 3 numbers, but found '1.2.3 2 3'"),
        (as_text(["the 1 nan 3"], "1 3"), "line 2: expected finite 32-bit numbers"),
        (as_text(["the 1 1e39 3"], "1 3"), "line 2: expected finite 32-bit numbers"),
        (as_text(["the\t1\t2\t3"], None), "line 1: .* separated by single spaces"),
        (b"1 3\n" + b"x" * (6 << 20), "line 2: longer than 1,048,576 bytes"),
        (as_binary()[:-7], "line 6: the file ends within vector 5 of 5"),
        (as_binary()[:30], "line 3: the file ends within vector 2 of 5"),
        (as_binary({"the": [1, float("nan"), 2]}), "line 2: expected finite 32-bit numbers"),
        (gzip.compress(as_text(LINES))[:-9], r"line \d: the compressed file ends early"),
        (gzip.compress(as_text(LINES))[:40] + b"\0" * 50, r"line \d: .* is damaged here"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_file_is_refused_with_its_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(EmbeddingError, match=problem) as refused:
        read_vectors(path, WORDS)
    assert str(refused.value).startswith(f"{path}: line ")


def test_a_folder_or_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="cannot be read: Is a directory"):
        read_vectors(tmp_path, WORDS)
    with pytest.raises(EmbeddingError, match="cannot be read: No such file"):
        read_vectors(tmp_path / "none", WORDS)


class Trap:
    """Runs `call` when an ordinary unpickler meets it."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call[0], self.call[1:]


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path, proof = tmp_path / "vectors.kv", tmp_path / "proof"
    path.write_bytes(pickle.dumps(Trap(Path.touch, proof)))
    with pytest.raises(EmbeddingError, match=r"refused: .* can run code"):
        read_vectors(path, WORDS)
    assert not proof.exists()
    pickle.loads(path.read_bytes())  # noqa: S301 (the trap does work)
    assert proof.exists()


@pytest.mark.parametrize(
    "call",
    [
        (eval, "1 + 1"),
        (getattr, "text", "upper"),
        (__import__, "os"),
        (np.load, "x.npy"),
        (KeyedVectors.load, "x.kv"),
    ],
)
def test_names_that_vectors_have_no_use_for_are_refused(
    tmp_path: Path, call: tuple[object, ...]
) -> None:
    path = tmp_path / "vectors.kv"
    path.write_bytes(pickle.dumps({"vectors": Trap(*call)}))
    with pytest.raises(EmbeddingError, match=f"{path}: refused: "):
        read_vectors(path, WORDS)


def test_other_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.kv"
    path.write_bytes(pickle.dumps({"vectors": [1, 2]}))
    with pytest.raises(EmbeddingError, match="a pickle, but not gensim's KeyedVectors"):
        read_vectors(path, WORDS)


def test_a_kv_file_whose_array_is_gone_or_cut_off_is_refused(tmp_path: Path) -> None:
    path, array = tmp_path / "vectors.kv", tmp_path / "vectors.kv.vectors.npy"
    keyed_vectors().save(str(path), sep_limit=1)
    array.write_bytes(array.read_bytes()[:-5])
    with pytest.raises(EmbeddingError, match=f"{array}: gensim keeps the vectors"):
        read_vectors(path, WORDS)
    array.unlink()
    with pytest.raises(EmbeddingError, match="missing, cut off or damaged"):
        read_vectors(path, WORDS)


def test_a_kv_file_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.kv"
    vectors = keyed_vectors()
    vectors.index_to_key = vectors.index_to_key[:-1]
    vectors.save(str(path))
    with pytest.raises(EmbeddingError, match="4 words, but 5 vectors"):
        read_vectors(path, WORDS)


@pytest.mark.parametrize("kind", ["text", "glove", "binary", "gz", "kv"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_file_changed_anywhere_is_read_or_refused(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    path = tmp_path / "vectors"
    if kind == "kv":
        keyed_vectors().save(str(path))
        content = path.read_bytes()
    else:
        content = {
            "text": as_text(LINES),
            "glove": as_text(LINES, None),
            "binary": as_binary(),
            "gz": gzip.compress(as_text(LINES), mtime=0),
        }[kind]
    at = data.draw(st.integers(0, len(content)))
    until = data.draw(st.integers(at, len(content)))
    path.write_bytes(content[:at] + data.draw(st.binary(max_size=4)) + content[until:])
    try:
        known, values = read_vectors(path, WORDS)
    except EmbeddingError as error:
        message = str(error)
    else:
        message = f"{path}: fine"
        assert np.isfinite(values).all()
        assert not values[~known].any()
    assert message.startswith(f"{path}")


def test_real_vectors_have_real_neighbours() -> None:
    path = SHARED / "vectors/glove-10k-100d.txt"
    if not path.exists():
        pytest.skip(f"no vectors at {path}")
    known, values = read_vectors(path, ["king", "queen", "tuesday", "wednesday", "zzzzz"])
    assert known.tolist() == [True] * 4 + [False]
    unit = values[:4] / np.linalg.norm(values[:4], axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert likeness[0, 1] > 0.6
    assert likeness[2, 3] > 0.9
    assert likeness[0, 2] < 0.5
