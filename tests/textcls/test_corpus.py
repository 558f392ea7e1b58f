import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textcls.config.models import DataConfig, EmbeddingConfig
from textcls.corpus import Corpus, EncodedSplit, prepare_corpus
from textcls.data import dataset
from textcls.exceptions import EmbeddingError
from textcls.text.tokenizer import tokenize
from textcls.text.vocabulary import UNK

SHARED = Path(__file__).parents[3] / "shared"

Row = tuple[str, str]

TRAIN: list[Row] = [
    ("The market fell, again.", "money"),
    ("the cup final: the market waits", "sport"),
    ("Stocks fell on Tuesday", "money"),
    ("A final goal", "sport"),
] * 5
TEST: list[Row] = [("Tuesday's derby goal", "sport"), ("the yen fell", "money")]
VECTORS = "the 1 0 0\nderby 0 2 0\nfell 0 0 3\nunasked 9 9 9\n"


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    return DataConfig(name=str(write(tmp_path / "data", train=TRAIN, test=TEST)))


@pytest.fixture
def vectors(tmp_path: Path) -> EmbeddingConfig:
    path = tmp_path / "vectors.txt"
    path.write_text(VECTORS)
    return EmbeddingConfig(name=str(path))


def write(folder: Path, **splits: Sequence[Row]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in splits.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    return folder


def quiet(sentence: str) -> None:
    """Take a sentence and keep it to itself."""


def words_of(corpus: Corpus, split: str) -> list[list[str]]:
    rows = corpus.splits[split]
    return [
        [corpus.vocabulary.words[i] for i in rows.tokens[start:end].tolist()]
        for start, end in zip(rows.offsets, rows.offsets[1:], strict=False)
    ]


def assert_same(one: Corpus, other: Corpus) -> None:
    assert one.provenance == other.provenance
    assert (one.vocabulary, one.label_names) == (other.vocabulary, other.label_names)
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    assert list(one.splits) == list(other.splits)
    for name, split in one.splits.items():
        for part in EncodedSplit.__slots__:
            np.testing.assert_array_equal(getattr(split, part), getattr(other.splits[name], part))


def test_texts_labels_and_vectors_come_together(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    corpus = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert corpus.label_names == ("money", "sport")
    assert words_of(corpus, "train") == [tokenize(text, 128) for text, _ in TRAIN]
    # Of the words that train never saw, the vectors know "derby" alone.
    assert words_of(corpus, "test") == [
        ["tuesday", UNK, UNK, "derby", "goal"],
        ["the", UNK, "fell"],
    ]
    assert [corpus.label_names[i] for i in corpus.splits["test"].labels] == ["sport", "money"]
    assert corpus.vocabulary.words[-1] == "derby"
    assert corpus.embeddings.shape == (len(corpus.vocabulary), 3)
    for word, row in (("the", [1, 0, 0]), ("derby", [0, 2, 0]), ("fell", [0, 0, 3])):
        assert corpus.embeddings[corpus.vocabulary.index[word]].tolist() == row
    assert not corpus.embeddings[0].any()


def test_the_provenance_says_what_was_prepared_and_is_json(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    said: list[str] = []
    corpus = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=said.append)
    known = corpus.provenance
    assert json.loads(json.dumps(known)) == known
    assert known["texts"] == {"train": 20, "test": 2}
    assert known["texts_per_class"]["train"] == {"money": 10, "sport": 10}
    assert known["tokens"]["test"] == 8
    assert (known["vectors"], known["dim"]) == (vectors.name, 3)
    # the, derby and fell, of train's 15 words and ', s, derby and yen
    assert known["coverage"]["types"] == pytest.approx(3 / 19)
    the, fell, derby, tokens = 15 + 1, 10 + 1, 1, 100 + 8
    assert known["coverage"]["occurrences"] == pytest.approx((the + fell + derby) / tokens)
    assert known["substitutions"] == []
    assert f"know {3 / 19:.1%} of the distinct words" in said[-1]


def test_a_second_start_reads_neither_texts_nor_vectors_again(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)

    def again(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(dataset.Source, "read", again)
    monkeypatch.setattr("textcls.vectors.embeddings.read_vectors", again)
    warm = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert_same(warm, cold)
    for corpus in (cold, warm):
        arrays = [corpus.embeddings, *(s.tokens for s in corpus.splits.values())]
        for array in arrays:
            assert isinstance(array.base, np.memmap)
            assert not array.flags.writeable


def test_a_second_start_needs_neither_gensim_nor_a_parser(data: DataConfig, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from textcls.corpus import prepare_corpus\n"
        "from textcls.config.models import DataConfig, EmbeddingConfig\n"
        f"data, vectors = DataConfig(name={data.name!r}), EmbeddingConfig(name='corpus', dim=4)\n"
        f"prepare_corpus(data, vectors, cache_dir=Path({str(tmp_path / 'cache')!r}))\n"
        "print(*sorted({'gensim', 'nltk', 'torch', 'datasets'} & sys.modules.keys()))\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert "Training vectors" in runs[0].stdout
    assert "Training vectors" not in runs[1].stdout
    assert runs[1].stdout.splitlines()[-1] == ""
    assert runs[1].stdout.splitlines()[-3:-1] == runs[0].stdout.splitlines()[-3:-1]


@pytest.mark.parametrize("victim", ["texts", "vectors"])
@pytest.mark.parametrize("damage", ["cut off", "changed", "gone"])
def test_a_damaged_cache_is_rebuilt_to_the_same_corpus(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path, victim: str, damage: str
) -> None:
    cold = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    (folder,) = (tmp_path / "cache" / victim).iterdir()
    for file in folder.glob("*.npy"):
        content = file.read_bytes()
        file.unlink()  # the first corpus keeps its maps
        if damage == "gone":
            continue
        file.write_bytes(content[:-1] if damage == "cut off" else content[:-1] + b"\xaa")
    assert_same(prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet), cold)
    assert len(list((tmp_path / "cache" / victim).iterdir())) == 1


def test_changed_texts_are_read_again(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    before = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    write(Path(data.name), test=[("the yen rose", "money"), TEST[0]])
    after = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert words_of(after, "test")[0] == ["the", UNK, UNK]
    assert after.provenance["data_fingerprint"] != before.provenance["data_fingerprint"]


def test_changed_vectors_are_read_again(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    Path(vectors.name).write_text(VECTORS.replace("derby", "yen"))
    after = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert after.vocabulary.words[-1] == "yen"
    assert words_of(after, "test")[1] == ["the", "yen", "fell"]


def test_settings_make_corpora_of_their_own(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    def made(data_changes: dict[str, int], **vector_changes: int) -> Corpus:
        return prepare_corpus(
            data.model_copy(update=data_changes),
            vectors.model_copy(update=vector_changes),
            cache_dir=tmp_path / "cache",
            say=quiet,
        )

    plain = made({})
    assert words_of(made({"max_length": 2}), "train")[0] == ["the", "market"]
    assert len(made({"min_count": 6}).vocabulary) < len(plain.vocabulary)
    assert not np.array_equal(made({}, seed=1).embeddings, plain.embeddings)
    assert_same(made({}), plain)


def test_a_validation_split_is_carved_and_encoded(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    carved = data.model_copy(update={"validation_fraction": 0.2})
    corpus = prepare_corpus(carved, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 16,
        "validation": 4,
        "test": 2,
    }
    assert_same(prepare_corpus(carved, vectors, cache_dir=tmp_path / "cache", say=quiet), corpus)


def test_notices_are_said_once_at_every_start_and_recorded(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    write(Path(data.name), train=[*TRAIN, ("", "money")])
    skipping = data.model_copy(update={"bad_rows": "skip"})
    for _ in range(2):
        said: list[str] = []
        corpus = prepare_corpus(skipping, vectors, cache_dir=tmp_path / "cache", say=said.append)
        notices = corpus.provenance["notices"]
        assert len(notices) == 2
        assert "left out 1 of" in notices[0]
        assert "repeat the text of another row" in notices[1]
        assert [said.count(notice) for notice in notices] == [1, 1]


def test_one_error_for_vectors_that_cannot_be_used_and_no_cache_of_them(
    data: DataConfig, vectors: EmbeddingConfig, tmp_path: Path
) -> None:
    Path(vectors.name).write_text(VECTORS + "cut 1\n")
    with pytest.raises(EmbeddingError, match="line 5: expected a word and 3 numbers"):
        prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert not list((tmp_path / "cache").glob("vectors/*"))


def test_vectors_that_mean_nothing_are_refused_before_the_texts_are_read(
    data: DataConfig, tmp_path: Path
) -> None:
    with pytest.raises(EmbeddingError, match="did you mean glove-twitter-50"):
        prepare_corpus(
            data, EmbeddingConfig(name="glove-twiter-50"), cache_dir=tmp_path / "c", say=quiet
        )
    assert not (tmp_path / "c").exists()


def test_processes_that_prepare_at_once_agree(data: DataConfig, tmp_path: Path) -> None:
    program = (
        "import sys; from textcls.corpus import prepare_corpus; from zlib import crc32\n"
        "from textcls.config.models import DataConfig, EmbeddingConfig\n"
        f"data, vectors = DataConfig(name={data.name!r}), EmbeddingConfig(name='random')\n"
        "corpus = prepare_corpus(data, vectors, say=lambda _: None)\n"
        "print(crc32(corpus.embeddings.tobytes()), crc32(corpus.splits['train'].tokens.tobytes()))"
    )
    environment = {**os.environ, "TEXTCLS_CACHE": str(tmp_path / "cache")}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = {worker.communicate(timeout=120)[0] for worker in workers}
    assert [worker.returncode for worker in workers] == [0, 0]
    assert len(outputs) == 1
    entries = sorted(path.parent.name for path in (tmp_path / "cache").glob("*/*"))
    assert entries == ["texts", "vectors"]


def test_the_embedded_corpus_with_vectors_of_its_own(tmp_path: Path) -> None:
    data = DataConfig(name="synthetic", train_size=300, test_size=60)
    vectors = EmbeddingConfig(name="corpus", dim=6)
    corpus = prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=quiet)
    assert [len(split) for split in corpus.splits.values()] == [300, 60]
    assert corpus.embeddings.shape == (len(corpus.vocabulary), 6)
    assert corpus.provenance["coverage"]["occurrences"] > 0.9


def test_real_vectors_cover_real_news_as_they_were_counted(tmp_path: Path) -> None:
    vectors = SHARED / "vectors/glove-10k-100d.txt"
    news = SHARED / "data/ag_news/test.csv"
    if not (vectors.exists() and news.exists()):
        pytest.skip(f"no AG News or no vectors in {SHARED}")
    (tmp_path / "news").mkdir()
    (tmp_path / "news/train.csv").write_bytes(news.read_bytes())
    (tmp_path / "news/test.csv").write_bytes(news.read_bytes())
    corpus = prepare_corpus(
        DataConfig(name=str(tmp_path / "news")),
        EmbeddingConfig(name=str(vectors)),
        cache_dir=tmp_path / "cache",
        say=quiet,
    )
    assert corpus.provenance["coverage"]["occurrences"] == pytest.approx(0.89, abs=0.01)
    assert corpus.provenance["coverage"]["types"] == pytest.approx(0.39, abs=0.01)


def test_scale_multiplies_the_vectors(tmp_path: Path) -> None:
    data = DataConfig(name="synthetic", train_size=40, test_size=40)
    plain, scaled = (
        prepare_corpus(
            data,
            EmbeddingConfig(name="random", scale=scale),
            cache_dir=tmp_path,
            say=lambda _: None,
        )
        for scale in (1.0, 10.0)
    )
    np.testing.assert_allclose(scaled.embeddings, 10 * plain.embeddings, rtol=1e-6)
    assert scaled.provenance["scale"] == 10.0


def test_the_tokenizer_is_chosen_by_the_script_said_and_recorded(tmp_path: Path) -> None:
    rows = [("很快，好吃", "a"), ("太慢了", "b")] * 5  # noqa: RUF001
    name = str(write(tmp_path / "data", train=rows, test=[("快", "a"), ("慢", "b")]))
    said: list[str] = []

    def prepared(**settings: Any) -> Corpus:
        data, vectors = DataConfig(name=name, **settings), EmbeddingConfig(name="random")
        return prepare_corpus(data, vectors, cache_dir=tmp_path / "cache", say=said.append)

    chosen = prepared()
    assert words_of(chosen, "test") == [["快"], ["慢"]]
    assert (chosen.tokenizer, chosen.provenance["tokenizer"]) == ("characters", "characters")
    (notice,) = [sentence for sentence in said if "data.tokenizer" in sentence]
    assert "in a script without blanks between words" in notice
    assert notice in chosen.provenance["notices"]
    assert words_of(prepared(tokenizer="wordpunct"), "test") == [["<unk>"], ["<unk>"]]
    assert_same(prepared(), chosen)


def test_what_a_cut_leaves_out_is_said(tmp_path: Path) -> None:
    rows = [("one two three four", "a"), ("five", "b")] * 5
    name = str(write(tmp_path / "data", train=rows, test=rows[:2]))
    said: list[str] = []
    corpus = prepare_corpus(
        DataConfig(name=name, max_length=3),
        EmbeddingConfig(name="random"),
        cache_dir=tmp_path / "cache",
        say=said.append,
    )
    (notice,) = [sentence for sentence in said if "data.max_length" in sentence]
    assert "50% of the texts of train are longer than data.max_length, 3 tokens, and 20%" in notice
    assert corpus.whole is not None
    assert np.diff(corpus.whole.splits["train"].offsets).tolist() == [4, 1] * 5
    findings = [notice for notice in said if "are in train as well" in notice]
    assert len(findings) == 1


def test_how_another_call_found_the_same_texts_is_not_said_again(
    tmp_path: Path, data: DataConfig
) -> None:
    vectors = EmbeddingConfig(name="random", dim=4)
    substitute = replace(dataset.locate(data), notices=("these stand in for others",))

    def sentences(source: dataset.Source | None) -> list[str]:
        said: list[str] = []
        corpus = prepare_corpus(data, vectors, cache_dir=tmp_path, say=said.append, source=source)
        return [*said, *corpus.provenance["notices"]]

    assert sentences(substitute).count("these stand in for others") == 2
    assert "these stand in for others" not in sentences(None)
