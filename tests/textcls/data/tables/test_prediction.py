"""Files in, files out: every column kept, the same labels whatever the portions and threads."""

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bundle_parts import LABELS, TEXTS, export_small

from textcls import predict
from textcls.data.tables.prediction import Choice, free_names, in_order, predict_file
from textcls.exceptions import DataError
from textcls.runtime.loading import load_predictor
from textcls.runtime.predictor import Predictor

WRITABLE = [text.encode("utf-8", "replace").decode().replace("\r", " ") for text in TEXTS]
ROWS = [{"id": str(i), "text": text, "note": "a,b\nc"} for i, text in enumerate(WRITABLE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_small(tmp_path_factory.mktemp("classifier"), linear_weight=2.0)


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    loaded = load_predictor(folder)
    assert isinstance(loaded, Predictor)
    return loaded


def write_csv(path: Path, rows: list[dict[str, str]], **options: Any) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path: Path, **options: Any) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, **options))


def run(predictor: Predictor, source: Path, out: Path, **options: Any) -> list[str]:
    said: list[str] = []
    choice = options.pop("choice", Choice())
    predict_file(predictor, source, out, choice, say=said.append, **options)
    return said


def expected(predictor: Predictor, texts: list[str]) -> tuple[list[str], list[float]]:
    rows = predictor.probabilities(texts)
    return [LABELS[i] for i in rows.argmax(axis=1)], rows.max(axis=1).tolist()


def test_a_csv_keeps_its_columns(predictor: Predictor, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)
    said = run(predictor, source, tmp_path / "out.csv")
    found = read_csv(tmp_path / "out.csv")
    labels, sure = expected(predictor, WRITABLE)
    assert list(found[0]) == ["id", "text", "note", "label", "probability"]
    assert [{k: row[k] for k in ROWS[0]} for row in found] == ROWS
    assert [row["label"] for row in found] == labels
    assert [row["probability"] for row in found] == [f"{p:.6f}" for p in sure]
    assert said == [f"{source}: 2 rows have no text; their labels are those of an empty text"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(("portion", "jobs"), [(1, 1), (1, 4), (5, 3), (2048, 1), (7, 2)])
def test_portions_and_threads_change_nothing(
    predictor: Predictor, tmp_path: Path, portion: int, jobs: int
) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS * 9)
    run(predictor, source, tmp_path / "plain.csv", jobs=1)
    run(predictor, source, tmp_path / "out.csv", portion=portion, jobs=jobs)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


KINDS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz")


def write_any(path: Path, rows: list[dict[str, str]]) -> Path:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), plain)
    elif plain.suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        plain.write_text("\n".join(lines), encoding="utf-8")
    else:
        write_csv(plain, rows, delimiter="\t" if plain.suffix == ".tsv" else ",")
    if path != plain:
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


def read_any(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".gz":
        plain = path.with_suffix("")
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        path = plain
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list(read_csv(path, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_every_kind_becomes_every_kind(
    predictor: Predictor, tmp_path: Path, source: str, target: str
) -> None:
    given = write_any(tmp_path / f"in.{source}", ROWS)
    run(predictor, given, tmp_path / f"out.{target}", portion=5)
    found = read_any(tmp_path / f"out.{target}")
    labels, sure = expected(predictor, WRITABLE)
    assert [row["label"] for row in found] == labels
    assert [float(row["probability"]) for row in found] == pytest.approx(sure, abs=1e-6)
    assert [{k: row[k] for k in ROWS[0]} for row in found] == ROWS


def test_types_of_parquet_and_json_stay(predictor: Predictor, tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int16()),
            "text": pa.array(["goal", None, "stock"], pa.large_string()),
            "tags": pa.array([["a"], [], None]),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    run(predictor, tmp_path / "in.parquet", tmp_path / "out.parquet", portion=2)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(["n", "text", "tags"]).equals(table)
    objects = [{"text": "goal", "n": 1}, {"n": {"deep": [1.5, True]}, "text": None}]
    (tmp_path / "in.jsonl").write_text("\n\n".join(map(json.dumps, objects)))
    run(predictor, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    again = read_any(tmp_path / "out.jsonl")
    assert [{k: v for k, v in row.items() if k in ("text", "n")} for row in again] == objects
    run(predictor, tmp_path / "in.jsonl", tmp_path / "out.csv")
    assert [(row["n"], row["n.deep"]) for row in read_csv(tmp_path / "out.csv")] == [
        ("1", ""),
        ("", "[1.5, true]"),
    ]


NESTED = [
    {"id": 1, "doc": {"body": "goal in the match", "by": {"name": "a.b"}}, "n.o": {}},
    {"id": 2, "doc": {"body": "stock market", "by": None}},
]


@pytest.mark.parametrize("name", ["in.json", "in.jsonl", "columns.json", "listed.json"])
def test_objects_within_objects_are_read_and_come_back(
    predictor: Predictor, tmp_path: Path, name: str
) -> None:
    contents = {
        "in.json": json.dumps(NESTED, indent=1),
        "in.jsonl": "\n".join(map(json.dumps, NESTED)),
        "columns.json": json.dumps({"id": [1, 2], "text": ["goal in the match", "stock market"]}),
        "listed.json": json.dumps({"version": 1, "data": NESTED}),
    }
    (tmp_path / name).write_text(contents[name])
    nested = name != "columns.json"
    columns = ["doc.body"] if nested else None
    run(predictor, tmp_path / name, tmp_path / "out.jsonl", columns=columns)
    run(predictor, tmp_path / name, tmp_path / "out.json", columns=columns, portion=1)
    labels, sure = expected(predictor, ["goal in the match", "stock market"])
    found = read_any(tmp_path / "out.jsonl")
    assert found == json.loads((tmp_path / "out.json").read_text())
    assert [row.pop("label") for row in found] == labels
    assert [row.pop("probability") for row in found] == pytest.approx(sure, abs=1e-6)
    assert found == (NESTED if nested else read_columns(contents[name]))


def test_a_single_row_of_json_lines_is_a_row(predictor: Predictor, tmp_path: Path) -> None:
    row = {"text": "goal in the match", "spans": [{"text": "goal"}, {"text": "match"}]}
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    run(predictor, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    (found,) = read_any(tmp_path / "out.jsonl")
    assert {key: found[key] for key in row} == row


def read_columns(text: str) -> list[dict[str, Any]]:
    columns = json.loads(text)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_a_workbook_is_read_and_not_written(predictor: Predictor, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Tickets of May"], ["id", "text"], [1, "goal\nin the match"], [2, "stock"]):
        book.active.append(row)
    book.save(tmp_path / "in.xlsx")
    said = run(predictor, tmp_path / "in.xlsx", tmp_path / "out.csv")
    assert said == [f"{tmp_path / 'in.xlsx'}, sheet Sheet: its table begins in row 2"]
    labels, _ = expected(predictor, ["goal\nin the match", "stock"])
    found = read_csv(tmp_path / "out.csv")
    assert [(row["id"], row["text"], row["label"]) for row in found] == [
        ("1", "goal\nin the match", labels[0]),
        ("2", "stock", labels[1]),
    ]
    with pytest.raises(DataError, match="workbooks are read, not written; expected a name"):
        run(predictor, tmp_path / "in.xlsx", tmp_path / "out.xlsx")


def test_one_split_of_a_file_is_not_chosen_silently(predictor: Predictor, tmp_path: Path) -> None:
    rows = [{"text": "goal"}]
    (tmp_path / "in.json").write_text(json.dumps({"train": rows, "test": rows}))
    with pytest.raises(DataError, match="holds the splits train, test; write the one"):
        run(predictor, tmp_path / "in.json", tmp_path / "out.csv")


def test_a_column_of_that_name_is_kept_and_the_new_one_called_otherwise(
    predictor: Predictor, tmp_path: Path
) -> None:
    rows = [{"text": "goal", "label": "old", "predicted_label": "older"}] * 3
    source = write_csv(tmp_path / "in.csv", rows)
    said = run(predictor, source, tmp_path / "out.csv")
    found = read_csv(tmp_path / "out.csv")[0]
    assert (found["label"], found["predicted_label"]) == ("old", "older")
    assert found["predicted_label_2"] in LABELS
    assert said == ["the table has a column 'label', so the new one is called 'predicted_label_2'"]
    assert free_names(["a", "a_2"], ["a"])[0] == ["predicted_a", "a_2"]


def test_top_threshold_and_all_probabilities(predictor: Predictor, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)
    rows = predictor.probabilities(WRITABLE)
    middle = float(np.median(rows.max(axis=1)))
    choice = Choice(top=2, threshold=middle, below="unsure", everything=True)
    run(predictor, source, tmp_path / "out.jsonl", choice=choice)
    found = read_any(tmp_path / "out.jsonl")
    second = np.argsort(-rows, axis=1)[:, 1]
    assert [row["label_2"] for row in found] == [LABELS[i] for i in second]
    for each, row in zip(found, rows, strict=True):
        weak = row.max() < middle
        assert each["label"] == ("unsure" if weak else LABELS[row.argmax()])
        assert each["probability"] == pytest.approx(row.max(), abs=1e-6)
        assert [each[f"probability_{n}"] for n in LABELS] == pytest.approx(row.tolist(), abs=1e-6)
    assert {row["label"] for row in found} > {"unsure"}


def test_more_labels_than_there_are(predictor: Predictor) -> None:
    choice = Choice(top=9)
    assert len(choice.names(LABELS)) == 2 * len(LABELS)
    assert len(choice.columns(predictor.probabilities(["goal"]), LABELS)) == 2 * len(LABELS)


def test_headers_separators_and_encodings_stay_what_they_were(
    predictor: Predictor, tmp_path: Path
) -> None:
    semicolons = write_csv(tmp_path / "semi.csv", ROWS, delimiter=";")
    said = run(predictor, semicolons, tmp_path / "out.csv")
    assert "read with a semicolon" in said[0]
    assert read_csv(tmp_path / "out.csv", delimiter=";")[0]["text"] == ROWS[0]["text"]
    (tmp_path / "bare.csv").write_text('3,"The match","a goal"\n1,"","stock market"\n')
    said = run(predictor, tmp_path / "bare.csv", tmp_path / "bare_out.csv")
    assert "no header; the columns are called 1 to 3" in said[0]
    labels, _ = expected(predictor, ["The match a goal", "stock market"])
    lines = list(csv.reader((tmp_path / "bare_out.csv").read_text().splitlines()))
    assert [line[:4] for line in lines] == [
        ["3", "The match", "a goal", labels[0]],
        ["1", "", "stock market", labels[1]],
    ]
    text = "id;text\n" + "".join(f"{i};été à la fête, ça va très bien déjà\n" for i in range(20))
    (tmp_path / "latin.csv").write_bytes(text.encode("cp1252"))
    said = run(predictor, tmp_path / "latin.csv", tmp_path / "latin_out.csv")
    assert any("read as cp125" in each and "--encoding names another" in each for each in said)
    run(predictor, tmp_path / "latin.csv", tmp_path / "latin_out.csv", encoding="cp1252")
    assert "été" in (tmp_path / "latin_out.csv").read_text(encoding="utf-8")


def test_columns_are_named_remembered_or_guessed(predictor: Predictor, tmp_path: Path) -> None:
    rows = [{"id": f"{i}", "body": "the goal of the match", "subject": "stock"} for i in range(9)]
    source = write_csv(tmp_path / "in.csv", rows)
    run(predictor, source, tmp_path / "out.csv", columns=["subject", "body"])
    (label,), _ = expected(predictor, ["stock the goal of the match"])
    assert {row["label"] for row in read_csv(tmp_path / "out.csv")} == {label}
    said = run(predictor, source, tmp_path / "out.csv")
    assert "'body' is used as the text, such as 'the goal of the match'; --text" in said[0]
    with pytest.raises(DataError, match=r"no column 'boddy' .*did you mean 'body'"):
        run(predictor, source, tmp_path / "out.csv", columns=["boddy"])
    two = write_csv(tmp_path / "two.csv", [{"a": "goal of it all", "b": "stock of it all"}] * 2)
    two.write_text(two.read_text() + "more words now,other words here\n")
    with pytest.raises(DataError, match=r"may each be the text; .* --text a,b"):
        run(predictor, two, tmp_path / "out.csv")
    (tmp_path / "own").mkdir()
    about = {"configuration": {"data": {"text_columns": ["subject"]}}}
    trained = load_predictor(export_small(tmp_path / "own", about=about))
    assert isinstance(trained, Predictor)
    run(trained, source, tmp_path / "out.csv")
    (label,), _ = expected(trained, ["stock"])
    assert {row["label"] for row in read_csv(tmp_path / "out.csv")} == {label}


WRONG = {
    "in.csv": ("text,id\ngoal,1\ngoal,2,3\n", "line 3: 3 fields; expected 2"),
    "open.csv": ('text,id\ngoal,1\n"goal,2\n', "line 3: a quote that is never closed"),
    "bad.jsonl": ('{"text": "goal"}\n{"text"\n', "line 2: no valid JSON object"),
    "list.jsonl": ('{"text": "goal"}\n["goal"]\n', "line 2: must be an object"),
    "array.jsonl": ('[\n{"text": "goal"}\n', "line 3, column 1: no valid JSON"),
    "numbers.json": ("[1, 2]", "row 1: must be an object such as"),
    "number.jsonl": ('{"text": "goal"}\n{"text": 5}\n', "line 2: 'text' must be a text, but is 5"),
    "deep.jsonl": ("[" * 100_000 + "\n", "no JSON that can be read"),
    "empty.csv": ("", "the file is empty"),
    "blank.csv": ("\n\n", "the file is empty"),
    "blank.jsonl": ("\n\n", "the file is empty"),
    "no.parquet": ("text\n", "cannot be read as Parquet"),
    "in.doc": ("text\n", "a file of an unknown kind"),
    "in.csv.gz": ("text\n", "cannot be unpacked as gzip"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named_and_leaves_nothing(
    predictor: Predictor, tmp_path: Path, name: str
) -> None:
    content, message = WRONG[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as refused:
        run(predictor, tmp_path / name, tmp_path / "out.csv")
    assert message in str(refused.value)
    assert str(tmp_path / name) in str(refused.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_cannot_be_written_is_named(predictor: Predictor, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)
    for out, message in (
        (tmp_path / "no" / "out.csv", "cannot be written: No such file"),
        (tmp_path / "out.txt", "a text file has no columns"),
        (tmp_path / "out", "a file of an unknown kind"),
        (source, "is the input itself"),
    ):
        with pytest.raises(DataError, match=message):
            run(predictor, source, out)
    mixed = [{"text": "goal", "n": 1}, {"text": "goal", "n": "one"}]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, mixed)))
    with pytest.raises(DataError, match=r"do not fit the types of Parquet.*write .jsonl or .csv"):
        run(predictor, tmp_path / "mixed.jsonl", tmp_path / "out.parquet", portion=1)
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "out.parquet").exists()


def test_an_older_result_stays_until_the_new_one_is_whole(
    predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "out.csv").write_text("older")
    (tmp_path / "in.jsonl").write_text('{"text": "goal"}\n' * 50 + '{"text": 5}\n')
    with pytest.raises(DataError, match="line 51"):
        run(predictor, tmp_path / "in.jsonl", tmp_path / "out.csv", portion=10)
    assert (tmp_path / "out.csv").read_text() == "older"


def test_few_portions_are_read_ahead() -> None:
    read: list[int] = []

    def items() -> Any:
        for i in range(100):
            read.append(i)
            yield i

    stream = in_order(lambda i: np.array([i]), items(), 2)
    for turn, (item, found) in zip(range(100), stream, strict=False):
        assert (item, found.tolist()) == (turn, [turn])
        assert len(read) <= turn + 6
    assert len(read) == 100


def command(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "textcls.predict", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(predict.__file__).parents[1])},
    )


def test_the_command_predicts_a_file(folder: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", ROWS)
    done = command(
        str(folder), "--input", "in.csv", "--output", "out.csv", "--jobs", "2", cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"12 texts in " in done.stderr
    assert len(read_csv(tmp_path / "out.csv")) == len(ROWS)
    named = command(str(folder), "in.csv", cwd=tmp_path)
    assert b"in.csv: is a file, so its rows are predicted" in named.stderr
    assert named.stdout.count(b"\n") == len(ROWS)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("text,label", True),
        ('"id";"Text";"Label"', True),
        ("a text, a label", False),
        ("text", False),
    ],
)
def test_a_table_on_standard_input_is_noticed(
    folder: Path, tmp_path: Path, first: str, said: bool
) -> None:
    done = command(str(folder), cwd=tmp_path, stdin=f"{first}\ngoal,x\n".encode())
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 2
    assert (b"--input FILE reads a table" in done.stderr) == said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--threshold", "0.5", "x"], 2, "--threshold P and --below LABEL belong together"),
        (["--threshold", "2", "--below", "x", "y"], 2, "must lie between 0 and 1"),
        (["--top", "0", "x"], 2, "--top: must be at least 1"),
        (["--jobs", "0", "x"], 2, "--jobs"),
        (["--output", "out.csv", "x"], 2, "--output belongs to --input"),
        (["--input", "in.csv", "x"], 2, "name texts or --input, not both"),
        (["--text", "a", "x"], 2, "belong to --input FILE"),
        (["--input", "none.csv", "--output", "out.csv"], 1, "none.csv: no such file"),
    ],
)
def test_options_that_make_no_sense_are_said(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        found = predict.main([str(folder), *arguments])
    except SystemExit as stopped:
        found = int(str(stopped.code))
    assert found == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_of_a_text_reaches_the_terminal_raw(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "goal \x1b[31m\x07 \u202etxt\u2028 \x9b1m e\u0301 \U0001f468\u200d\U0001f469 \ud800"
    assert predict.main([str(folder), "--all-probabilities", "--top", "2", evil]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    fields = out.rstrip("\n").split("\t")
    assert len(fields) == 6
    assert fields[-1] == "goal txt e\u0301 \U0001f468\u200d\U0001f469 \\ud800"
