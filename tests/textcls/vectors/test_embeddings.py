import gzip
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from textcls.config.models import EmbeddingConfig
from textcls.exceptions import EmbeddingError, HubUnreachableError
from textcls.text.encoding import EncodedSplit, Encoding, count
from textcls.text.vocabulary import PAD, UNK, Vocabulary
from textcls.vectors._trained import train_vectors
from textcls.vectors.embeddings import MISSING_SCALE, RANDOM_STD, Embedded, embed, locate

NAME = "glove-twitter-50"
TWITTER = b"4 3\nnews 1 2 3\nthe 0.5 -0.5 0\nunasked 9 9 9\nlate -1 -2 -3\n"


def encoding(rng_seed: int = 0, texts: int = 50) -> Encoding:
    """Train words: the, news, odd; words that train never saw: gone, late."""
    vocabulary = Vocabulary((PAD, UNK, "the", "news", "odd", "gone", "late"))
    rng = np.random.default_rng(rng_seed)
    train = rng.integers(2, 5, texts * 8).astype(np.int32)
    test = np.array([2, 5, 6, 6, 1], dtype=np.int32)
    splits = {
        "train": EncodedSplit(train, np.arange(0, len(train) + 1, 8), np.zeros(texts, np.int64)),
        "test": EncodedSplit(test, np.array([0, 5]), np.zeros(1, np.int64)),
    }
    counts = count(train, 7) + count(test, 7)
    return Encoding(splits, vocabulary, 5, counts)


def embedded(config: EmbeddingConfig, texts: Encoding | None = None) -> Embedded:
    vectors, _ = locate(config, "key of the texts")
    return embed(vectors, texts or encoding(), config.seed)


def row(result: Embedded, word: str) -> list[float]:
    return [float(value) for value in result.matrix[result.vocabulary.index[word]]]


@pytest.fixture
def vector_file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_bytes(TWITTER)
    return path


@pytest.fixture
def gensim_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where gensim's downloader keeps what it fetched."""
    folder = tmp_path / "gensim-data"
    folder.mkdir()
    monkeypatch.setenv("GENSIM_DATA_DIR", str(folder))
    return folder


def lay_out(folder: Path) -> Path:
    """Put the vectors where and as gensim's downloader puts them, with its code as a trap."""
    (folder / NAME).mkdir()
    path = folder / NAME / f"{NAME}.gz"
    path.write_bytes(gzip.compress(TWITTER))
    (folder / NAME / "__init__.py").write_text("raise SystemExit('downloaded code ran')\n")
    return path


def test_the_matrix_holds_the_vectors_of_the_file(vector_file: Path) -> None:
    result = embedded(EmbeddingConfig(name=str(vector_file)))
    assert result.matrix.dtype == np.float32
    assert result.matrix.shape == (len(result.vocabulary), 3)
    assert row(result, "news") == [1, 2, 3]
    assert row(result, "the") == [0.5, -0.5, 0]
    assert row(result, PAD) == [0, 0, 0]


def test_words_that_train_never_saw_stay_only_when_the_vectors_know_them(vector_file: Path) -> None:
    result = embedded(EmbeddingConfig(name=str(vector_file)))
    assert result.vocabulary.words == (PAD, UNK, "the", "news", "odd", "late")
    assert row(result, "late") == [-1, -2, -3]
    assert result.ids.tolist() == [0, 1, 2, 3, 4, 1, 5]  # gone is <unk>, late moves up


def test_coverage_counts_words_and_occurrences_of_all_splits(vector_file: Path) -> None:
    texts = encoding()
    result = embedded(EmbeddingConfig(name=str(vector_file)), texts)
    known = sum(int(texts.counts[i]) for i in (2, 3, 6))
    assert result.coverage == {"types": 3 / 5, "occurrences": known / (50 * 8 + 5)}


def test_rows_of_unknown_words_differ_and_have_the_scale_of_the_vectors(tmp_path: Path) -> None:
    n, dim = 3000, 20
    words = [f"w{i}" for i in range(n)]
    values = np.random.default_rng(1).normal(0, 2.0, (n, dim))
    path = tmp_path / "vectors.txt"
    lines = [" ".join([f"w{i}", *map(str, values[i])]) for i in range(0, n, 2)]
    path.write_text("\n".join(lines), encoding="utf-8")
    tokens = np.arange(2, n + 2, dtype=np.int32)
    split = EncodedSplit(tokens, np.array([0, n]), np.zeros(1, np.int64))
    texts = Encoding({"train": split}, Vocabulary((PAD, UNK, *words)), n + 2, count(tokens, n + 2))

    result = embedded(EmbeddingConfig(name=str(path)), texts)
    unknown = result.matrix[3::2]
    assert result.coverage == {"types": 0.5, "occurrences": 0.5}
    assert unknown.std() == pytest.approx(2.0 * MISSING_SCALE, rel=0.05)
    assert len(np.unique(unknown, axis=0)) == n // 2
    again = embedded(EmbeddingConfig(name=str(path)), texts)
    other = embedded(EmbeddingConfig(name=str(path), seed=1), texts)
    np.testing.assert_array_equal(result.matrix, again.matrix)
    assert not np.array_equal(unknown, other.matrix[3::2])


def test_a_file_that_knows_no_word_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("fremd 1 2 3\n")
    with pytest.raises(EmbeddingError, match="know none of the texts' words"):
        embedded(EmbeddingConfig(name=str(path)))


def test_random_vectors_are_drawn_anew_by_seed() -> None:
    result = embedded(EmbeddingConfig(name="random", dim=400))
    assert result.vocabulary.words == (PAD, UNK, "the", "news", "odd")
    assert result.coverage == {"types": 0.0, "occurrences": 0.0}
    assert result.matrix.shape == (5, 400)
    assert result.matrix[1:].std() == pytest.approx(RANDOM_STD, rel=0.1)
    assert not result.matrix[0].any()
    assert not np.array_equal(
        result.matrix, embedded(EmbeddingConfig(name="random", dim=400, seed=1)).matrix
    )


def test_corpus_vectors_know_the_words_of_train_alone() -> None:
    result = embedded(EmbeddingConfig(name="corpus", dim=8))
    assert result.vocabulary.words == (PAD, UNK, "the", "news", "odd")
    assert result.coverage["types"] == 3 / 5
    assert result.matrix.shape == (5, 8)


def test_corpus_vectors_bring_words_together_that_share_neighbours() -> None:
    rng = np.random.default_rng(0)
    # Words 2 to 101 talk of one topic, 102 to 201 of another; a text keeps to its topic.
    tokens = (rng.integers(2, 102, (1000, 12)) + rng.choice([0, 100], (1000, 1))).astype(np.int32)
    split = EncodedSplit(tokens.ravel(), np.arange(0, 12001, 12), np.zeros(1000, np.int64))
    vectors = train_vectors(split, 202, dim=16, seed=0)[2:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors.T
    assert likeness[:100, :100].mean() > likeness[:100, 100:].mean() + 0.3


def test_corpus_vectors_are_the_same_in_every_process() -> None:
    program = (
        "import hashlib, numpy as np; from textcls.vectors._trained import train_vectors\n"
        "from textcls.text.encoding import EncodedSplit\n"
        "tokens = np.random.default_rng(0).integers(0, 300, 4000).astype(np.int32)\n"
        "split = EncodedSplit(tokens, np.arange(0, 4001, 20), np.zeros(200, np.int64))\n"
        "for seed in (0, 0, 1):\n"
        "    print(hashlib.sha256(train_vectors(split, 300, 10, seed).tobytes()).hexdigest())\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for hash_seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    first, again, other = outputs[0]
    assert first == again != other


@pytest.mark.parametrize("tokens", [[1, 1, 1], [2]])
def test_corpus_vectors_of_next_to_nothing_are_numbers(tokens: list[int]) -> None:
    split = EncodedSplit(
        np.array(tokens, np.int32), np.array([0, len(tokens)]), np.zeros(1, np.int64)
    )
    assert np.isfinite(train_vectors(split, 3, dim=4, seed=2**40)).all()


def test_vectors_that_gensim_has_downloaded_are_read_without_running_their_code(
    gensim_folder: Path,
) -> None:
    lay_out(gensim_folder)
    result = embedded(EmbeddingConfig(name=NAME))
    assert row(result, "news") == [1, 2, 3]
    assert NAME not in sys.modules


def test_a_fingerprint_changes_with_the_content_of_a_file(vector_file: Path) -> None:
    config = EmbeddingConfig(name=str(vector_file))
    before = locate(config, "key")[0].fingerprint
    assert locate(config, "key")[0].fingerprint == before
    status = vector_file.stat()
    vector_file.write_bytes(TWITTER.replace(b"news 1", b"news 7"))
    os.utime(vector_file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert locate(config, "key")[0].fingerprint != before


def test_a_fingerprint_of_corpus_vectors_changes_with_all_that_decides_them() -> None:
    config = EmbeddingConfig(name="corpus")
    fingerprints = {
        locate(variant, key)[0].fingerprint
        for key in ("texts", "other texts")
        for variant in (
            config,
            config.model_copy(update={"dim": 51}),
            config.model_copy(update={"seed": 1}),
            config.model_copy(update={"name": "random"}),
        )
    }
    assert len(fingerprints) == 4 + 3  # random vectors do not depend on the texts


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("glove-twiter-50", "did you mean glove-twitter-50"),
        ("vectors/none.txt", r"no file 'vectors/none\.txt', .* expected a file, corpus, random or"),
        ("x" * 5000, "no file"),
        ("nul\0byte", "no file"),
    ],
)
def test_a_name_that_means_nothing_is_refused_without_a_network(
    gensim_folder: Path, name: str, problem: str
) -> None:
    with pytest.raises(EmbeddingError, match=problem):
        locate(EmbeddingConfig(name=name, offline="corpus"), "key")
    assert not list(gensim_folder.iterdir())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """gensim's download server on this machine; the folder holds what it serves."""
    downloader = pytest.importorskip("gensim.downloader")
    root = tmp_path / "server"
    (root / NAME).mkdir(parents=True)
    (root / NAME / f"{NAME}.gz").write_bytes(gzip.compress(TWITTER))
    (root / NAME / "__init__.py").write_text("raise SystemExit('downloaded code ran')\n")
    checksum = hashlib.md5((root / NAME / f"{NAME}.gz").read_bytes()).hexdigest()  # noqa: S324
    model = {"checksum": checksum, "file_name": f"{NAME}.gz", "parts": 1}
    (root / "list.json").write_text(json.dumps({"corpora": {}, "models": {NAME: model}}))

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{http.server_port}"
        monkeypatch.setattr(downloader, "DATA_LIST_URL", f"{address}/list.json")
        defaults = (f"{address}/list.json", "utf-8")  # gensim took the address when it was loaded
        monkeypatch.setattr(downloader._load_info, "__defaults__", defaults)
        monkeypatch.setattr(downloader, "DOWNLOAD_BASE_URL", address)
        monkeypatch.setattr(downloader, "BASE_DIR", str(tmp_path / "elsewhere"))
        yield root
        http.shutdown()
        thread.join()


@pytest.mark.usefixtures("server")
def test_vectors_are_downloaded_once_through_gensim(
    gensim_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EmbeddingConfig(name=NAME)
    result = embedded(config)
    assert row(result, "late") == [-1, -2, -3]
    assert (gensim_folder / NAME / "__init__.py").exists()  # fetched, and never run
    assert NAME not in sys.modules
    assert capsys.readouterr().out == ""
    written = (gensim_folder / NAME / f"{NAME}.gz").stat().st_mtime_ns
    embedded(config)
    assert (gensim_folder / NAME / f"{NAME}.gz").stat().st_mtime_ns == written


def test_a_download_with_a_wrong_checksum_is_refused(server: Path, gensim_folder: Path) -> None:
    (server / NAME / f"{NAME}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(EmbeddingError, match=r"could not download .* Checksum"):
        locate(EmbeddingConfig(name=NAME), "key")
    assert not (gensim_folder / NAME).exists()


def test_a_download_that_breaks_off_is_a_hub_out_of_reach(
    server: Path, gensim_folder: Path
) -> None:
    (server / NAME / f"{NAME}.gz").unlink()
    with pytest.raises(HubUnreachableError, match="broke off"):
        locate(EmbeddingConfig(name=NAME), "key")
    assert not (gensim_folder / NAME).exists()


def test_a_folder_of_gensim_without_its_file_is_told_apart(gensim_folder: Path) -> None:
    (gensim_folder / NAME).mkdir()
    with pytest.raises(EmbeddingError, match="remove the folder"):
        locate(EmbeddingConfig(name=NAME), "key")


@pytest.fixture(params=["refuses", "is silent"])
def no_network(
    request: pytest.FixtureRequest, gensim_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    downloader = pytest.importorskip("gensim.downloader")
    assert gensim_folder.is_dir()
    monkeypatch.setattr("textcls.vectors._gensim_hub._PROBE_S", 0.3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "is silent":
            listener.listen()
        monkeypatch.setattr(
            downloader, "DATA_LIST_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/"
        )
        yield


@pytest.mark.usefixtures("no_network")
def test_a_hub_out_of_reach_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(HubUnreachableError, match=r"cannot be reached .*embeddings\.offline"):
        locate(EmbeddingConfig(name=NAME), "key")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("offline", ["corpus", "random"])
def test_the_substitute_is_used_with_a_notice(offline: str) -> None:
    config = EmbeddingConfig.model_validate({"name": NAME, "offline": offline, "dim": 7})
    vectors, notices = locate(config, "key")
    assert vectors.name == offline
    assert len(notices) == 1
    assert f"{offline} vectors are used in their place" in notices[0]
    assert embed(vectors, encoding(), 0).matrix.shape == (5, 7)
