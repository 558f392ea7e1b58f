"""A bundle may come from a stranger: whatever is wrong with it ends in one `BundleError`."""

import json
import os
import resource
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from textcls import bundle, predict
from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import read_bundle, write_bundle
from textcls.runtime.loading import load_predictor

FILES = (
    "bundle.json",
    "classifier.safetensors",
    "linear.safetensors",
    "vocabulary.json",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_small(tmp_path_factory.mktemp("sound"), linear_weight=2.0)


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def told(folder: Path, **changes: Any) -> None:
    """Change keys of `bundle.json`; `model__hidden_size` is `hidden_size` in `model`."""
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = content
        for name in sections:
            section = section[name]
        if value is ...:
            del section[last]
        else:
            section[last] = value
    path.write_text(json.dumps(content))


def tensors(folder: Path, name: str = "classifier", **changes: Any) -> None:
    """Change tensors; `encoder__output` is the tensor `encoder.output`, `...` takes it out."""
    path = folder / f"{name}.safetensors"
    arrays = load_file(path)
    for key, change in changes.items():
        real = key.replace("__", ".")
        if change is ...:
            del arrays[real]
        else:
            arrays[real] = change(arrays.get(real))
    save_file(arrays, path)


def header(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the header of the classifier's tensors, and leave the numbers."""
    path = folder / "classifier.safetensors"
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    found = json.loads(content[8 : 8 + length])
    changed = change(found)
    written = json.dumps(found if changed is None else changed).encode()
    path.write_bytes(struct.pack("<Q", len(written)) + written + content[8 + length :])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x" * 8)


def with_nan(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found = array.copy()
    found.flat[-1] = np.nan
    return found


def claims(name: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda head: head[name].update(fields)


Damage = Callable[[Path], object]
DAMAGE: dict[str, tuple[Damage, str]] = {
    # The description
    "format": (lambda f: told(f, format=3), "bundle.json: format: must be 1 or 2"),
    "format as text": (lambda f: told(f, format="1"), "bundle.json: format: must be 1 or 2"),
    "no format": (lambda f: told(f, format=...), "bundle.json: format: is missing"),
    "no about": (lambda f: told(f, about=...), "bundle.json: about: is missing"),
    "about is a list": (lambda f: told(f, about=[]), "bundle.json: about: must be a mapping"),
    "configuration": (
        lambda f: told(f, about={"configuration": 3}),
        "about.configuration: must be a mapping",
    ),
    "search is a list": (
        lambda f: told(f, about={"search": []}),
        "about.search: must be a mapping",
    ),
    "unknown encoder": (lambda f: told(f, model__name="lstm"), "model.name: must be one of"),
    "unknown setting": (lambda f: told(f, model__speed=3), "model.speed: extra inputs"),
    "model is text": (lambda f: told(f, model="gru"), "model: must be a mapping"),
    "hidden size": (lambda f: told(f, model__hidden_size=6), "must have the shape"),
    "hidden size too large": (
        lambda f: told(f, model__hidden_size=4096, model__layers=2),
        "must have the shape",
    ),
    "hidden size beyond bounds": (lambda f: told(f, model__hidden_size=10**9), "at most 4096"),
    "hidden size infinite": (
        lambda f: told(f, model__hidden_size=float("inf")),
        "model.hidden_size: must be",
    ),
    "layers": (lambda f: told(f, model__layers=8), "is missing"),
    "another encoder": (lambda f: told(f, model__name="cnn"), "is missing"),
    "kernel sizes": (
        lambda f: told(f, model__name="cnn", model__kernel_sizes=[1] * 100_000),
        "model.kernel_sizes: ",
    ),
    "huge kernel": (
        lambda f: told(f, model__name="cnn", model__kernel_sizes=[10**9]),
        "model.kernel_sizes",
    ),
    "linear weight": (lambda f: told(f, model__linear_weight=float("nan")), "finite number"),
    "labels are numbers": (
        lambda f: told(f, label_names=[1, 2, 3]),
        "label_names[0]: must be text",
    ),
    "labels are lists": (lambda f: told(f, label_names=[["a"], [], []]), "label_names[0]: must be"),
    "labels repeat": (lambda f: told(f, label_names=["a", "b", "a"]), "must be distinct"),
    "a label with an escape": (
        lambda f: told(f, label_names=["a", "b", "\x1b[31mred"]),
        r"without control characters, but is '\x1b[31mred'",
    ),
    "an empty label": (lambda f: told(f, label_names=["a", "b", ""]), "label_names[2]"),
    "no labels": (lambda f: told(f, label_names=[]), "label_names"),
    "too few labels": (lambda f: told(f, label_names=["a", "b"]), "must have the shape"),
    "labels is text": (lambda f: told(f, label_names="abc"), "label_names: must be a list"),
    "length 0": (lambda f: told(f, max_length=0), "max_length: must be at least 1"),
    "length negative": (lambda f: told(f, max_length=-5), "max_length: must be at least 1"),
    "length infinite": (lambda f: told(f, max_length=float("inf")), "max_length: must be"),
    "length is text": (lambda f: told(f, max_length="5"), "max_length: must be a whole number"),
    "length huge": (lambda f: told(f, max_length=10**30), "max_length: "),
    "no length": (lambda f: told(f, max_length=...), "max_length: is missing"),
    "linear length": (lambda f: told(f, linear_length=0), "linear_length: must be at least 1"),
    "tokenizer": (lambda f: told(f, tokenizer="klingon"), "no tokenizer is called 'klingon'"),
    "temperature 0": (
        lambda f: told(f, calibration={"temperature": 0, "split": "test"}),
        "calibration.temperature: must be",
    ),
    "not an object": (lambda f: (f / "bundle.json").write_text("[]"), "bundle.json: "),
    "cut off": (lambda f: (f / "bundle.json").write_text('{"format": 1'), "Invalid JSON"),
    "empty": (lambda f: (f / "bundle.json").write_text(""), "Invalid JSON"),
    "not UTF-8": (lambda f: (f / "bundle.json").write_bytes(b'{"a": "\xff"}'), "Invalid JSON"),
    "deep": (lambda f: (f / "bundle.json").write_text("[" * 100_000), "Invalid JSON"),
    "deep about": (
        lambda f: (f / "bundle.json").write_text('{"about":' * 100_000),
        "Invalid JSON",
    ),
    "too large": (
        lambda f: (f / "bundle.json").write_text(" " * (17 << 20)),
        "at most 16,777,216 make sense",
    ),
    # The vocabulary
    "no vocabulary": (lambda f: (f / "vocabulary.json").unlink(), "vocabulary.json: is missing"),
    "words are numbers": (
        lambda f: (f / "vocabulary.json").write_text("[1, 2]"),
        "must be a list of words",
    ),
    "words are an object": (
        lambda f: (f / "vocabulary.json").write_text('{"a": 1}'),
        "must be a list of words",
    ),
    "too few words": (
        lambda f: (f / "vocabulary.json").write_text('["<pad>", "<unk>"]'),
        "12 vectors do not fit 2 words",
    ),
    "no special words": (
        lambda f: (f / "vocabulary.json").write_text(json.dumps([str(i) for i in range(12)])),
        "must start with <pad> and <unk>",
    ),
    "a word twice": (
        lambda f: (f / "vocabulary.json").write_text(json.dumps(["<pad>", "<unk>", *"aabcdefghi"])),
        "holds 1 words more than once",
    ),
    "vocabulary too large": (
        lambda f: (f / "vocabulary.json").write_text(json.dumps(["a" * (2 << 20)])),
        "make sense here",
    ),
    # The weights
    "no weights": (
        lambda f: (f / "classifier.safetensors").unlink(),
        "classifier.safetensors: is missing",
    ),
    "weights are text": (
        lambda f: (f / "classifier.safetensors").write_text("x" * 100),
        "no safetensors file",
    ),
    "weights are empty": (
        lambda f: (f / "classifier.safetensors").write_bytes(b""),
        "no safetensors file",
    ),
    "weights cut off": (
        lambda f: os.truncate(f / "classifier.safetensors", 1_000),
        "bytes of tensors, but its header says",
    ),
    "a tail": (
        lambda f: lengthen(f / "classifier.safetensors"),
        "bytes of tensors, but its header says",
    ),
    "a huge header": (
        lambda f: (f / "classifier.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}"),
        "no safetensors file",
    ),
    "a header that is a list": (
        lambda f: header(f, lambda _: [1]),
        "not that of a safetensors file",
    ),
    "a header without fields": (
        lambda f: header(f, lambda head: head["embeddings"].clear()),
        "not that of a safetensors file",
    ),
    "float64": (
        lambda f: tensors(f, embeddings=lambda a: a.astype(np.float64)),
        "embeddings must be of type F32 or F16, but is of 'F64'",
    ),
    "float16 in a layer": (
        lambda f: tensors(f, output__weight=lambda a: a.astype(np.float16)),
        "output.weight must be of type F32, but is of 'F16'",
    ),
    "integers": (
        lambda f: tensors(f, embeddings=lambda a: a.astype(np.int32)),
        "which no classifier has",
    ),
    "one-dimensional": (
        lambda f: tensors(f, embeddings=lambda a: a.ravel()),
        "must have a row for each word",
    ),
    "three-dimensional": (
        lambda f: tensors(f, embeddings=lambda a: a[None].copy()),
        "must have a row for each word",
    ),
    "no rows": (
        lambda f: tensors(f, embeddings=lambda a: a[:0].copy()),
        "must have a row for each word",
    ),
    "another width": (
        lambda f: tensors(f, embeddings=lambda a: a[:, :3].copy()),
        "weight_ih_l0 must have the shape [15, 3]",
    ),
    "NaN": (lambda f: tensors(f, output__bias=with_nan), "output.bias holds NaN or infinity"),
    "infinity": (
        lambda f: tensors(f, embeddings=lambda a: np.where(a > 0, np.inf, a).astype(np.float32)),
        "embeddings holds NaN or infinity",
    ),
    "a tensor missing": (lambda f: tensors(f, output__bias=...), "output.bias is missing"),
    "a tensor too many": (
        lambda f: tensors(f, more=lambda _: np.zeros(3, np.float32)),
        "'more' is not a tensor of this configuration",
    ),
    "a shape that is only claimed": (
        lambda f: header(f, claims("embeddings", shape=[1 << 40, 1 << 20])),
        "do not fit their shapes",
    ),
    "a negative side": (
        lambda f: header(f, claims("embeddings", shape=[-12, -6])),
        "which no classifier has",
    ),
    "places that overlap": (
        lambda f: header(f, claims("output.bias", data_offsets=[0, 12])),
        "do not fit their shapes",
    ),
    "places that are huge": (
        lambda f: header(f, claims("output.bias", data_offsets=[1 << 70, 1 << 71])),
        "do not fit their shapes",
    ),
    # The linear classifier
    "no linear classifier": (
        lambda f: (f / "linear.safetensors").unlink(),
        "linear.safetensors: is missing",
    ),
    "keys out of order": (
        lambda f: tensors(f, "linear", keys=lambda a: a[::-1].copy()),
        "must be positive and ascending",
    ),
    "keys twice": (
        lambda f: tensors(f, "linear", keys=lambda a: np.zeros_like(a)),
        "must be positive and ascending",
    ),
    "negative keys": (
        lambda f: tensors(f, "linear", keys=lambda a: a - (1 << 62)),
        "must be positive and ascending",
    ),
    "keys are floats": (
        lambda f: tensors(f, "linear", keys=lambda a: a.astype(np.float32)),
        "keys must be of type I64",
    ),
    "keys of two dimensions": (
        lambda f: tensors(f, "linear", keys=lambda a: a[:, None].copy()),
        "keys must have the shape",
    ),
    "idf of another length": (
        lambda f: tensors(f, "linear", idf=lambda a: a[:-1].copy()),
        "idf must have the shape",
    ),
    "weights of other classes": (
        lambda f: tensors(f, "linear", weights=lambda a: a[:, :1].copy()),
        "weights must have the shape",
    ),
    "an infinite idf": (
        lambda f: tensors(f, "linear", idf=lambda a: a * np.float32(np.inf)),
        "idf holds NaN or infinity",
    ),
}


def refusal(folder: Path) -> str:
    """The one message, and that all three ways to load say it."""
    found = []
    for load in (read_bundle, load_predictor, bundle.load_bundle):
        with pytest.raises(BundleError) as refused:
            load(folder)
        found.append(str(refused.value))
    assert len(set(found)) == 1
    return found[0]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(damage: str, folder: Path) -> None:
    harm, message = DAMAGE[damage]
    harm(folder)
    found = refusal(folder)
    assert message in found
    assert str(folder) in found
    assert found.isprintable()
    assert len(found) < 2_000


def test_what_is_no_file_is_refused(folder: Path) -> None:
    for name in FILES:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert "must be a file" in refusal(folder)
        (folder / name).unlink()
        (folder / name).mkdir()
        assert "must be a file" in refusal(folder)
        (folder / name).rmdir()
        (folder / name).write_bytes(content)


def test_a_refusal_takes_little_memory(folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for damage in ("kernel sizes", "hidden size too large", "a shape that is only claimed", "deep"):
        DAMAGE[damage][0](folder)
        with pytest.raises(BundleError):
            read_bundle(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


def test_the_command_says_it_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(folder, label_names=["a", "b", "\x1b]0;owned\x07"])
    assert predict.main([str(folder), "goal"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_negative_variance_is_refused(tmp_path: Path) -> None:
    folder = export_small(tmp_path, name="cnn")
    name = "encoder__branches__0__0__norm__running_var"
    tensors(folder, **{name: lambda a: a - 10})
    assert "negative variance" in refusal(folder)


def test_an_ensemble_is_checked_as_well(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, tmp_path / "1")
    for content, message in (
        ({"format": 1, "members": ["1"] * 100_000}, "ensemble.json: members: "),
        ({"format": 1, "members": ["1", "1"]}, "must be distinct"),
        ({"format": 1, "members": ["../1"]}, "must be folders beside it"),
        ({"format": 1, "members": [1]}, "members[0]: must be text"),
        ({"format": 1, "members": ["2"]}, "bundle.json is missing"),
    ):
        (tmp_path / "ensemble.json").write_text(json.dumps(content))
        with pytest.raises(BundleError) as refused:
            load_predictor(tmp_path)
        assert message in str(refused.value)


@pytest.mark.parametrize("half", [True, False])
def test_what_is_written_is_read_again(sound: Path, tmp_path: Path, half: bool) -> None:
    files = read_bundle(sound)
    write_bundle(files, tmp_path / "again", half=half)
    again = read_bundle(tmp_path / "again")
    assert again.description == files.description
    assert again.words == files.words
    for name, values in files.weights.items():
        assert np.array_equal(values, again.weights[name])
        assert values.dtype == again.weights[name].dtype
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again"]


def test_vectors_are_kept_in_half_precision_where_they_fit(sound: Path, tmp_path: Path) -> None:
    assert load_file(sound / "classifier.safetensors")["embeddings"].dtype == np.float16
    files = read_bundle(sound)
    large = {**files.weights, "embeddings": files.weights["embeddings"] * np.float32(1e5)}
    from dataclasses import replace

    write_bundle(replace(files, weights=large), tmp_path / "large")
    kept = load_file(tmp_path / "large" / "classifier.safetensors")["embeddings"]
    assert kept.dtype == np.float32
    assert np.array_equal(kept, large["embeddings"])


def test_a_bundle_of_the_first_format_is_read(sound: Path, folder: Path) -> None:
    told(folder, tokenizer=..., linear_length=...)
    tensors(folder, embeddings=lambda a: a.astype(np.float32))
    old = read_bundle(folder).description
    assert (old.tokenizer, old.linear_length, old.calibration) == ("wordpunct", None, None)
    expected = load_predictor(sound).probabilities(["goal match"])
    assert np.array_equal(load_predictor(folder).probabilities(["goal match"]), expected)


def answered(folder: Path) -> None:
    """A mutated bundle either predicts finite numbers or is refused by one message, at once."""
    began = time.perf_counter()
    found = None
    try:
        found = load_predictor(folder).probabilities(TEXTS)
    except BundleError as error:
        message = str(error)
    if found is None:
        assert message.isprintable()
        assert len(message) < 2_000
    else:
        assert found.shape[0] == len(TEXTS)
        assert np.isfinite(found).all()
    # No test hangs on this figure; it is here to find what takes minutes.
    assert time.perf_counter() - began < 60


MUTATIONS = int(os.environ.get("TEXTCLS_MUTATIONS", "100"))
MANY = settings(
    max_examples=MUTATIONS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@MANY
@given(st.sampled_from(FILES), st.data())
def test_bytes_that_change_are_answered(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("bytes") / "copy"
    shutil.copytree(sound, folder)
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers and the beginnings of JSON are where structure is.
        at = data.draw(st.integers(0, min(len(content) - 1, 1_500)))
        how = data.draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if how == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del content[at : at + data.draw(st.integers(1, 40))]
        elif how == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        else:
            content[at:at] = content[at : at + 30] * 3
        if not content:
            break
    (folder / name).write_bytes(bytes(content))
    answered(folder)
    shutil.rmtree(folder)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["gru", "cnn", 1e308, -1, 0, 2**63, "\x1b[2J", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


@MANY
@given(st.data())
def test_values_that_change_are_answered(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("values") / "copy"
    shutil.copytree(sound, folder)
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        section = content
        key = data.draw(st.sampled_from(sorted(section)))
        if key in ("model", "about") and isinstance(section[key], dict) and section[key]:
            section = section[key]
            key = data.draw(st.sampled_from(sorted(section)))
        section[key] = data.draw(JSON)
    path.write_text(json.dumps(content))
    answered(folder)
    shutil.rmtree(folder)


def test_labels_of_the_small_classifier(sound: Path) -> None:
    assert load_predictor(sound).label_names == LABELS


def _about(data: str, vectors: str, *notices: str) -> dict[str, Any]:
    return {
        "configuration": {"data": {"name": data, "seed": 3}, "embeddings": {"name": vectors}},
        "provenance": {"data": data, "data_fingerprint": "8e1", "notices": list(notices)},
    }


def test_no_folder_of_the_data_travels_with_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "jane doe"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    notice = f"{home}/own/tickets.csv: 3 rows were left out; ~/own/tickets.csv has others"
    about = _about("~/own/tickets.csv", f"{home}/vectors/glove.txt", notice)
    out = export_small(tmp_path, about=about)
    for path in out.iterdir():
        assert b"jane" not in path.read_bytes()
        assert b"own/" not in path.read_bytes()
    kept = read_bundle(out).description.about
    assert kept.configuration is not None
    assert kept.configuration["data"] == {"name": "tickets.csv", "seed": 3}
    assert kept.configuration["embeddings"] == {"name": "glove.txt"}
    assert kept.provenance == {
        "data": "tickets.csv",
        "data_fingerprint": "8e1",
        "notices": ["tickets.csv: 3 rows were left out; tickets.csv has others"],
    }


@pytest.mark.parametrize("name", ["dair-ai/emotion", "ag_news", "synthetic", "a\x00b", "x" * 5_000])
def test_what_is_no_path_stays(name: str, tmp_path: Path) -> None:
    out = export_small(tmp_path, about=_about(name, "glove-6b-50d", "dair-ai/emotion: 2 rows"))
    kept = read_bundle(out).description.about
    assert kept.model_dump(exclude_unset=True) == _about(
        name, "glove-6b-50d", "dair-ai/emotion: 2 rows"
    )


def test_a_relative_path_of_a_file_that_is_there_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "tickets.csv").write_text("text,label\n")
    monkeypatch.chdir(tmp_path)
    out = export_small(tmp_path, about=_about("own/tickets.csv", "random", f"{tmp_path}/own/x"))
    kept = read_bundle(out).description.about.model_dump(exclude_unset=True)
    assert kept == _about("tickets.csv", "random", "x")


def test_a_bundle_with_a_whole_path_still_loads(folder: Path) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    content["about"] = _about("/home/jane/tickets.csv", "random")
    (folder / "bundle.json").write_text(json.dumps(content))
    assert read_bundle(folder).description.about.configuration == content["about"]["configuration"]
