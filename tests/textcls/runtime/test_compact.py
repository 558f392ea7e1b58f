"""The small form of a bundle: what goes in comes out, and what a stranger changed is refused."""

import gzip
import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_parts import TEXTS, WORDS, export_small, small_corpus
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

from textcls import bundle
from textcls.exceptions import BundleError
from textcls.runtime import _compact
from textcls.runtime.bundle_files import BundleFiles, read_bundle, write_bundle
from textcls.runtime.loading import load_predictor
from textcls.runtime.predictor import Predictor

SHAPES: list[dict[str, Any]] = [
    {},
    {"name": "cnn", "linear_weight": 2.0},
    {"ngrams": 2, "linear_weight": 2.0},
    {"name": "rnn", "layers": 2, "bidirectional": True},
]


@given(arrays(np.int64, st.integers(0, 50)))
def test_integers_are_packed(values: np.ndarray[Any, Any]) -> None:
    packed = _compact.pack_integers(values)
    assert np.array_equal(_compact.unpack_integers(packed, len(values)), values)
    for count in {max(0, len(values) - 1), len(values) + 1} - {len(values)}:
        with pytest.raises(ValueError, match="does not hold"):
            _compact.unpack_integers(packed, count)


def test_a_column_is_rounded_by_its_own_largest_number() -> None:
    matrix = np.array([[1.0, 1e-3, 0.0], [-2.0, 5e-4, 0.0]], np.float32)
    numbers, scale = _compact.round_to_int8(matrix)
    assert numbers.dtype == np.int8
    assert np.abs(numbers).max() == 127
    np.testing.assert_allclose(numbers * scale, matrix, atol=2 / 254)
    np.testing.assert_allclose((numbers * scale)[:, 1], matrix[:, 1], atol=1e-3 / 254)


@pytest.mark.parametrize("model", SHAPES, ids=lambda model: "-".join(map(str, model.values())))
@pytest.mark.parametrize("whole", [False, True])
def test_a_small_bundle_predicts_nearly_the_same(
    model: dict[str, Any], whole: bool, tmp_path: Path
) -> None:
    linear = "linear_weight" in model
    corpus = small_corpus(linear=linear, whole=whole and linear, characters=True)
    files = read_bundle(export_small(tmp_path, corpus, **model))
    write_bundle(files, tmp_path / "small", small=True)
    again = read_bundle(tmp_path / "small")
    assert again.words == files.words
    assert set(again.weights) == set(files.weights)
    if files.linear is not None and again.linear is not None:
        assert np.array_equal(files.linear["keys"], again.linear["keys"])
        assert set(again.linear_words or again.words) >= set(files.linear_words or files.words)
    before, after = (Predictor(each).probabilities(TEXTS) for each in (files, again))
    np.testing.assert_allclose(before, after, atol=0.02)
    torch_side = bundle.load_bundle(tmp_path / "small").probabilities(TEXTS)
    np.testing.assert_allclose(after, torch_side, atol=1e-5)


def test_written_whole_again_it_is_of_the_first_format(tmp_path: Path) -> None:
    write_bundle(read_bundle(export_small(tmp_path)), tmp_path / "small", small=True)
    small = read_bundle(tmp_path / "small")
    write_bundle(small, tmp_path / "whole", half=False)
    assert read_bundle(tmp_path / "whole").description.format == 1
    expected = Predictor(small).probabilities(TEXTS)
    assert np.array_equal(Predictor(read_bundle(tmp_path / "whole")).probabilities(TEXTS), expected)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    files: BundleFiles = read_bundle(export_small(folder, linear_weight=2.0))
    few = {**files.weights, "embeddings": files.weights["embeddings"][:5]}
    cut = replace(files, weights=few, words=files.words[:5], linear_words=files.words)
    write_bundle(cut, folder / "small", small=True)
    return folder / "small"


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def changed(name: str, tensor: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        path = folder / f"{name}.safetensors"
        found = load_file(path)
        found[tensor] = change(found.get(tensor))
        save_file({key: each for key, each in found.items() if each is not None}, path)

    return harm


def vocabulary(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "vocabulary.json.gz").write_bytes(content)


def ids(*values: int) -> Callable[[Any], Any]:
    return lambda _: _compact.pack_integers(np.array(values))


def stream(content: bytes) -> Callable[[Any], Any]:
    return lambda _: np.frombuffer(zlib.compress(content), np.uint8)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "floats": (changed("classifier", "embeddings.int8", lambda a: a.astype(np.float32)), "type I8"),
    "no scale": (changed("classifier", "embeddings.scale", lambda _: None), "scale is missing"),
    "a scale too few": (changed("classifier", "embeddings.scale", lambda a: a[1:]), "the shape"),
    "NaN scale": (changed("classifier", "embeddings.scale", lambda a: a * np.nan), "NaN"),
    "a row too few": (changed("classifier", "embeddings.int8", lambda a: a[1:]), "not hold 4"),
    "whole vectors": (changed("classifier", "embeddings", lambda _: np.ones((5, 6))), "a tensor"),
    "ids beyond": (changed("classifier", "words.packed", ids(0, 1, 2, 3, 99)), "distinct words"),
    "negative ids": (changed("classifier", "words.packed", ids(0, 1, 2, 3, -1)), "distinct words"),
    "ids twice": (changed("classifier", "words.packed", ids(0, 1, 2, 3, 3)), "distinct words"),
    "no unknown": (changed("classifier", "words.packed", ids(0, 2, 1, 3, 4)), "do not fit"),
    "ids as floats": (changed("classifier", "words.packed", lambda a: a / 2.0), "type U8"),
    "ids of two dimensions": (changed("classifier", "words.packed", lambda a: a[None]), "shape"),
    "no zlib": (changed("linear", "keys.packed", lambda a: a[::-1].copy()), "no zlib stream"),
    "bomb": (changed("linear", "keys.packed", stream(bytes(1 << 24))), "does not hold"),
    "keys equal": (changed("linear", "keys.packed", stream(bytes(8 * 4))), "keys.packed does not"),
    "bias": (changed("linear", "bias", lambda a: a[None]), "bias must have the shape"),
    "idf": (changed("linear", "idf", lambda a: a[None].copy()), "shape"),
    "no words": (lambda folder: (folder / "vocabulary.json.gz").unlink(), "is missing"),
    "words that are no gzip": (vocabulary(b"[]"), "cannot be decompressed"),
    "words cut off": (vocabulary(gzip.compress(b"[]" * 999)[:-4]), "is cut off"),
    "words without end": (vocabulary(gzip.compress(bytes(1 << 26))), "or holds more than"),
    "words behind words": (vocabulary(gzip.compress(b"[]") * 2), "is cut off"),
    "words that are numbers": (vocabulary(gzip.compress(b"[1]")), "must be a list of words"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(damage: str, folder: Path) -> None:
    harm, message = DAMAGE[damage]
    harm(folder)
    with pytest.raises(BundleError) as refused:
        load_predictor(folder)
    assert message in str(refused.value)
    assert str(folder) in str(refused.value)
    assert str(refused.value).isprintable()


def test_keys_must_ascend(folder: Path) -> None:
    features = len(load_file(folder / "linear.safetensors")["idf"])
    changed("linear", "keys.packed", stream(bytes(8 * features)))(folder)
    with pytest.raises(BundleError, match="positive and ascending"):
        read_bundle(folder)


def test_the_undamaged_one_is_read(sound: Path) -> None:
    found = read_bundle(sound)
    assert found.words == WORDS[:5]
    assert found.linear_words == WORDS
    content = gzip.decompress((sound / "vocabulary.json.gz").read_bytes())
    assert json.loads(content) == list(WORDS)
    assert np.isfinite(load_predictor(sound).probabilities(TEXTS)).all()
