"""`python -m tune.validate` and the schema that editors complete from."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tune.config import json_schema
from tune.config.search_file import dump_search, load_search
from tune.validate import main

SPACES = Path(__file__).parents[2] / "search_spaces"
SHIPPED = sorted(SPACES.glob("*.yaml"))


def test_good_files_get_a_line_each(capsys):
    assert main([str(path) for path in SHIPPED]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(SHIPPED) == 6
    found = dict(line.split(": ", 1) for line in printed)
    assert found[str(SPACES / "gru.yaml")] == (
        "gru: 16 trials over hidden_size, learning_rate, max_grad_norm, freeze_iters, "
        "asha on test_accuracy"
    )
    assert found[str(SPACES / "all.yaml")].startswith("64 trials over model, hidden_size")
    assert found[str(SPACES / "reference.yaml")].startswith("runs CNN, RNN, GRU, GRU + embeddings")


def test_a_bad_file_is_shown_with_its_problems_and_the_others_are_checked_too(tmp_path, capsys):
    bad = tmp_path / "bad.yaml"
    bad.write_text("space:\n  dropout: {type: float, low: 1e-4, high: 0.5}\n")
    assert main([str(bad), str(SHIPPED[0]), str(tmp_path / "none.yaml")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{bad}: 1 problem",
        "  line 2, space.dropout.low: must be a number, but is the text '1e-4' (YAML wants 1.0e-4)",
        f"{SHIPPED[0]}: {_summary(SHIPPED[0])}",
        f"{tmp_path / 'none.yaml'}: no such file",
    ]


def _summary(path: Path) -> str:
    from tune.config.search_file import summarise_search

    return summarise_search(load_search(path))


def test_a_shipped_search_space_is_checked_by_its_name(capsys):
    assert main(["gru", "gur"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"{SPACES / 'gru.yaml'}: {_summary(SPACES / 'gru.yaml')}"
    assert printed[1].startswith("gur: neither a file nor")
    assert "did you mean gru?" in printed[1]


def test_nothing_to_check_is_a_mistake(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "name at least one SPACE" in capsys.readouterr().err


def test_checking_loads_neither_ray_nor_torch_nor_optuna_nor_numpy():
    program = (
        "import sys; from tune.validate import main; import tune.config.optuna_space; "
        f"code = main({[str(path) for path in SHIPPED]!r}); "
        "heavy = {'ray', 'torch', 'optuna', 'numpy', 'datasets', 'gensim'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_s_exit_code(tmp_path):
    command = [sys.executable, "-m", "tune.validate", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}: is a folder; expected a YAML file\n"


def test_the_schema_in_the_repository_is_the_models(capsys):
    assert main(["--schema"]) == 0
    written = (SPACES / "schema.json").read_text()
    hint = "python -m tune.validate --schema > search_spaces/schema.json"
    assert capsys.readouterr().out == written, f"out of date: {hint}"


@pytest.fixture(scope="module")
def checker():
    jsonschema.Draft202012Validator.check_schema(json_schema.schema())
    return jsonschema.Draft202012Validator(json_schema.schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_schema_accepts_what_we_ship_and_what_we_dump(checker, path):
    text = path.read_text()
    assert "# yaml-language-server: $schema=schema.json" in text
    checker.validate(yaml.safe_load(text))
    checker.validate(yaml.safe_load(dump_search(load_search(path))))


@pytest.mark.parametrize(
    "text",
    [
        "modle: gru",
        "model: gruu",
        "model: {name: gru, hiden_size: 3}",
        "space: {hiden_size: {type: int, low: 1, high: 2}}",
        "space: {hidden_size: {type: int, low: 1, high: 2, lgo: true}}",
        "space: {hidden_size: {type: int, low: 1.5, high: 2}}",
        "space: {pooling: {type: categorical, choices: []}}",
        "search: {scheduler: ahsa}",
        "search: {samples: many}",
    ],
)
def test_the_schema_marks_slips_in_the_editor(checker, text):
    assert not checker.is_valid(yaml.safe_load(text))


def test_the_schema_explains_every_key():
    definitions = json.loads(json_schema.schema_text())["$defs"]
    for name, definition in definitions.items():
        for key, known in definition["properties"].items():
            assert known.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("text", ["scheduler: none", "time_budget: 5m", "time_budget: 90"])
def test_the_schema_knows_the_shorthands(checker, text):
    checker.validate({"search": yaml.safe_load(text)})
