# ruff: noqa: E501  # messages are quoted whole
"""YAML, overrides and pydantic's findings as our own messages, each with its place."""

import pickle
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcls.config.loader import COMMAND_LINE, Override, load_config
from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, Section, TrainConfig
from textcls.exceptions import ConfigError


class Experiment(Section):
    """What a training command reads."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    embeddings: EmbeddingConfig = EmbeddingConfig()
    train: TrainConfig = TrainConfig()


def problems(path: Path | None, overrides=(), text: str | bytes | None = None) -> list[str]:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(Experiment, path, overrides)
    header, *lines = str(caught.value).split("\n")
    name = str(path) if path else COMMAND_LINE
    if lines:
        assert header == f"{name}: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
        assert all(line.startswith("  ") for line in lines)
        return [line[2:] for line in lines]
    assert header.startswith(name)
    return [header.removeprefix(f"{name}: ")]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "experiment.yaml"


def test_a_file_becomes_a_configuration(file):
    file.write_text("model: cnn\ndata: {name: trec, text_columns: [a, b]}\ntrain: {epochs: 2}\n")
    experiment = load_config(Experiment, file)
    assert experiment.model == ModelConfig(name="cnn")
    assert experiment.data.text_columns == ("a", "b")
    assert experiment.train == TrainConfig(epochs=2.0)


def test_a_name_alone_and_a_mapping_mean_the_same(file, tmp_path):
    file.write_text("model: rnn\nembeddings: random\n")
    other = tmp_path / "other.yaml"
    other.write_text("model: {name: rnn}\nembeddings: {name: random}\n")
    assert load_config(Experiment, file) == load_config(Experiment, other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: gruu\n", "line 1, model: must be one of cnn, rnn, gru, but is the text 'gruu'; did you mean gru?"),
        ("model: 3\n", "line 1, model: must be a mapping, but is 3"),
        ("model: {name: no}\n", "line 1, model.name: must be one of cnn, rnn, gru, but is false (YAML reads yes, no, on and off so; quote a text)"),
        ("train:\n  epoch: 1\n", "line 2, train.epoch: unknown key; did you mean epochs?"),
        ("train:\n  hidden_size: 1\n", "line 2, train.hidden_size: unknown key here; it belongs under model"),
        ("seed: 1\n", "line 1, seed: unknown key here; it belongs under data or embeddings or train"),
        ("zzz: 1\n", "line 1, zzz: unknown key; expected one of data, embeddings, model, train"),
        ("train:\n\n  epochs: 1e-4\n", "line 3, train.epochs: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)"),
        ("train: {epochs: 3e5}\n", "line 1, train.epochs: must be a number, but is the text '3e5' (YAML wants 3.0e+5)"),
        ("train: {epochs: 1.5e5}\n", "line 1, train.epochs: must be a number, but is the text '1.5e5' (YAML wants 1.5e+5)"),
        ("train: {epochs: '2'}\n", "line 1, train.epochs: must be a number, but is the text '2' (without quotes it is a number)"),
        ("train: {epochs: two}\n", "line 1, train.epochs: must be a number, but is the text 'two'"),
        ("train: {epochs: }\n", "line 1, train.epochs: must be a number, but is null"),
        ("train: {epochs: true}\n", "line 1, train.epochs: must be a number, but is true"),
        ("train: {epochs: .nan}\n", "line 1, train.epochs: must be a finite number, but is nan"),
        ("train: {epochs: .inf}\n", "line 1, train.epochs: must be a finite number, but is inf"),
        ("train: {epochs: 0}\n", "line 1, train.epochs: must be above 0, but is 0"),
        ("train: {batch_size: 32.0}\n", "line 1, train.batch_size: must be a whole number, but is 32.0 (write 32)"),
        ("train: {batch_size: 32.5}\n", "line 1, train.batch_size: must be a whole number, but is 32.5"),
        ("train: {batch_size: [1]}\n", "line 1, train.batch_size: must be a whole number, but is a list"),
        ("train: {seed: -1}\n", "line 1, train.seed: must be at least 0, but is -1"),
        ("model: {hidden_size: 5000}\n", "line 1, model.hidden_size: must be at most 4096, but is 5000"),
        ("model: {dropout: 1.0}\n", "line 1, model.dropout: must be below 1, but is 1.0"),
        ("model: {bidirectional: 1}\n", "line 1, model.bidirectional: must be true or false, but is 1"),
        ("model: {kernel_sizes: []}\n", "line 1, model.kernel_sizes: must hold at least 1 item(s), but is a list"),
        ("model: {kernel_sizes: 3}\n", "line 1, model.kernel_sizes: must be a list, but is 3"),
        ("model:\n  kernel_sizes:\n  - 3\n  - 0\n", "line 4, model.kernel_sizes[1]: must be above 0, but is 0"),
        ("data: {name: 20}\n", "line 1, data.name: must be text, but is 20 (quote a text)"),
        ("data:\n", "line 1, data: must be a mapping, but is null"),
        ("train: {freeze_iters: 5, freeze_fraction: 0.5}\n", "line 1, train: freeze_iters and freeze_fraction exclude each other, but are 5 and 0.5"),
    ],
)  # fmt: skip
def test_a_value_is_refused_with_its_line_key_expectation_and_finding(file, text, expected):
    assert problems(file, text=text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty; expected keys such as model: gru"),
        ("# only a remark\n", "the file is empty; expected keys such as model: gru"),
        ("- a\n- b\n", "line 1: must hold keys and values such as model: gru, but is a list"),
        ("gru\n", "line 1: must hold keys and values such as model: gru, but is the text 'gru'"),
        ("train:\n  seed: 1\n  seed: 2\n", "line 3, train.seed: is given twice, first in line 2"),
        ("train:\n\tseed: 1\n", "line 2: holds a tab where YAML wants spaces"),
        ("model: gru\n5: 1\n", "line 2: keys must be text, but one is 5"),
        ("? [a]\n: 1\n", "line 1: keys must be text, but one is a mapping or a list"),
        ("a: &x 1\nb: *x\n", "line 2: holds the alias *x, which is not read; write the value out"),
        ("a: &x [*x]\n", "line 1: holds the alias *x, which is not read; write the value out"),
        ("a: " + "[" * 10_000, "line 1: must not nest deeper than 20 levels"),
        ("a: 1\n---\nb: 1\n", "line 2: is not YAML: expected a single document in the stream, but found another document"),
        ("a: [1\n", "line 2: is not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: \x01\n", "line 2: must be text, but holds the control character U+0001"),
        (b"a: 1\nb: \xff\n", "line 2: must be UTF-8 text, but holds the byte 0xff"),
        ("x" * 300_000, "line 1: must not exceed 200,000 characters, but has 300,000"),
        (b"x" * 900_000, "must not exceed 800,000 bytes, but is larger"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_mapping_is_refused(file, text, expected):
    assert problems(file, text=text) == [expected]


@pytest.mark.parametrize(
    "value", ["!!python/name:os.system x", "!!binary eA==", "!!set {a}", "!!map 3", "!mine {a: 1}"]
)
def test_a_tag_is_refused(file, value):
    assert problems(file, text=f"train:\n  seed: {value}\n") == [
        f"line 2, train.seed: has the tag {value.split()[0]}, which is not read"
    ]


def test_text_that_no_encoding_can_write_is_refused(file):
    (found,) = problems(file, text='data: {name: "\\ud800"}\n')
    reason = "line 1, data.name: must be valid Unicode text, but is the text '\\ud800'"
    assert found == reason


@pytest.mark.parametrize("value", ["9" * 5_000, "0x" + "f" * 5_000, "!!int x", "0b_"])
def test_a_number_that_python_cannot_read_is_refused(file, value):
    (found,) = problems(file, text=f"train: {{seed: {value}}}\n")
    assert found.startswith("line 1, train.seed: cannot be read as a number: the text '")
    assert len(found) < 150


def test_a_date_is_text(file):
    file.write_text("data: {name: 2026-01-31}\n")
    assert load_config(Experiment, file).data.name == "2026-01-31"


def test_a_byte_order_mark_is_no_part_of_the_text(file):
    file.write_bytes(b"\xef\xbb\xbfmodel: cnn\n")
    assert load_config(Experiment, file).model.name == "cnn"


def test_files_that_cannot_be_read(tmp_path):
    assert problems(tmp_path / "none.yaml") == ["no such file"]
    (tmp_path / "gru.yaml").touch()
    near = tmp_path / "gur.yaml"
    assert problems(near) == [f"no such file; did you mean {tmp_path / 'gru.yaml'}?"]
    assert problems(tmp_path) == ["is a folder; expected a YAML file"]
    assert problems(tmp_path / "gru.yaml" / "x") == ["cannot be read: Not a directory"]
    with pytest.raises(ConfigError, match=r"a\\x00b.yaml': cannot be read: embedded null byte"):
        load_config(Experiment, tmp_path / "a\0b.yaml")


def test_every_problem_is_listed_at_once_by_line_the_command_line_last(file):
    text = "model:\n  name: gru\n  layers: 0\ntrain:\n  seed: x\n  epoch: 1\n  seed: 1\n"
    assert problems(file, ["train.epochs=0", "model.hidden=5"], text) == [
        "line 3, model.layers: must be at least 1, but is 0",
        "line 5, train.seed: must be a whole number, but is the text 'x'",
        "line 6, train.epoch: unknown key; did you mean epochs?",
        "line 7, train.seed: is given twice, first in line 5",
        "--set model.hidden: unknown key; did you mean hidden_size?",
        "--set train.epochs: must be above 0, but is 0",
    ]


def test_overrides_take_the_place_of_the_file_s_values(file):
    file.write_text("model: {name: cnn, kernel_sizes: [3, 5]}\ntrain: {epochs: 2}\n")
    overrides = ["train.epochs=1", "train.epochs=3.5", "model.kernel_sizes.1=7", "data=trec"]
    overrides += ["embeddings.offline=null", "data.text_columns=[a, b]"]
    experiment = load_config(Experiment, file, overrides)
    assert experiment.train.epochs == 3.5
    assert experiment.model.kernel_sizes == (3, 7)
    assert experiment.data == DataConfig(name="trec", text_columns=("a", "b"))


def test_overrides_alone_make_a_configuration():
    experiment = load_config(Experiment, None, ["model=rnn", "model.layers=2", "train.seed=3"])
    assert experiment.model == ModelConfig(name="rnn", layers=2)
    assert experiment.train == TrainConfig(seed=3)


def test_an_override_of_a_flag_is_taken_as_it_is_and_named_after_the_flag(file):
    file.write_text("model: gru\n")
    data = Override("data.name", "a: [b", "--data")
    assert load_config(Experiment, file, [data]).data.name == "a: [b"
    assert problems(file, [Override("train.epochs", 0, "--epochs")]) == [
        "--epochs: must be above 0, but is 0"
    ]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs", "--set train.epochs: must look like train.epochs=2, but is the text 'train.epochs'"),
        ("=3", "--set: must look like train.epochs=2, but is the text '=3'"),
        ("train.epochs=1e-4", "--set train.epochs: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)"),
        ("train.epochs=[", "--set train.epochs: the value is not YAML: while parsing a flow node, expected the node content, but found '<stream end>'"),
        ("train.epochs=!!binary x", "--set train.epochs: the value has the tag !!binary, which is not read"),
        ("train.lerning_rate=1", "--set train.lerning_rate: unknown key; did you mean learning_rate?"),
        ("trian.seed=1", "--set trian.seed: unknown key; did you mean train?"),
        ("train.seed.x=1", "--set train.seed.x: train.seed is 7, so it has no key 'x'"),
        ("model.kernel_sizes.2=1", "--set model.kernel_sizes.2: model.kernel_sizes is a list of 2, so 2 is not an index of it"),
        ("model={name: gruu}", "--set model, model.name: must be one of cnn, rnn, gru, but is the text 'gruu'; did you mean gru?"),
        ("model=gruu", "--set model: must be one of cnn, rnn, gru, but is the text 'gruu'; did you mean gru?"),
    ],
)  # fmt: skip
def test_an_override_is_refused_by_its_flag(file, override, expected):
    text = "model: {kernel_sizes: [3, 5]}\ntrain:\n  seed: 7\n"
    assert problems(file, [override], text) == [expected]


def test_an_override_of_a_section_brings_its_own_places(file):
    text = "model: gru\ntrain:\n  epochs: 1\n"
    assert problems(file, ["train={epochs: 0}", "model={name: gruu}"], text) == [
        "--set model, model.name: must be one of cnn, rnn, gru, but is the text 'gruu'; did you mean gru?",
        "--set train, train.epochs: must be above 0, but is 0",
    ]


def test_an_override_fills_a_section_that_was_left_empty(file):
    file.write_text("model: gru\ndata:\n")
    assert load_config(Experiment, file, ["data.name=trec"]).data.name == "trec"


def test_problems_without_a_file_are_those_of_the_command_line():
    assert problems(None, ["train.epochs=0"]) == ["--set train.epochs: must be above 0, but is 0"]


def test_the_error_survives_a_pickle(file):
    with pytest.raises(ConfigError) as caught:
        load_config(Experiment, file)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


VALID = """\
model: {name: cnn, kernel_sizes: [3, 5], dropout: 0.5}
data:
  name: ag_news  # the real thing
  offline: "synthetic"
train:
  epochs: 1.5
  batch_size: 0x20
"""


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("damaged") / "a.yaml"
    start = data.draw(st.integers(0, len(VALID)))
    end = data.draw(st.integers(start, min(len(VALID), start + 12)))
    insert = data.draw(st.text(max_size=6) | st.sampled_from(["\t", "!!int ", "*a", "&a ", "? "]))
    file.write_bytes((VALID[:start] + insert + VALID[end:]).encode("utf-8", "surrogatepass"))
    override = data.draw(st.text(max_size=10) | st.just("train.epochs=2"))
    with suppress(ConfigError):
        load_config(Experiment, file, [override])
