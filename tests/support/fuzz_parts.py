"""What people hand in, mutated: strategies, and the checks that each case has to pass.

A check returns in a word how its case ended, and raises when it ended otherwise than in something
valid or in an error of ours that names what is wrong. `benchmarks/fuzz.py` runs them by the
thousand.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import strategies as st
from report_runs import make_search, trial, write_run

from textcls.config.models import DataConfig
from textcls.data.dataset import locate
from textcls.exceptions import TextclsError
from textcls.vectors._files import read_vectors
from tune import search, status
from tune.config import search_file
from tune.config.search_file import summarise_search
from tune.report import __main__ as report_command
from tune.study.records import State

SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
WORDS = ["<pad>", "the", "a", "été"]

ODD = [
    b"", b"\0", b"\t", b"\r\n", b"\n", b" ", b'"', b"'", b",", b":", b"- ", b"#", b"{", b"}", b"[",
    b"]", b"&a", b"*a", b"!!python/object:os.system", b"<<: *a", b"|", b">", b"%", b"@", b"\\",
    b"nan", b".nan", b".inf", b"-1", b"0", b"1e400", b"9" * 400, b"1_000", b"0o17", b"0x1f", b"yes",
    b"null", b"~", b"2026-01-01", b"12:30:45", b"true", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3",
    b"\xed\xa0\x80", "\u2028".encode(), "é".encode(), b"a" * 5000, b"[" * 300, b"when: {model: x}",
]  # fmt: skip

Mutation = tuple[str, float, float, bytes]
mutations: st.SearchStrategy[list[Mutation]] = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "delete", "double", "cut", "swap"]),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(ODD) | st.binary(max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, changes: Sequence[Mutation]) -> bytes:
    """Apply mutations; the two numbers are places, as shares of the content."""
    for what, at, to, odd in changes:
        i, j = sorted((int(at * len(content)), int(to * len(content))))
        near = min(j, i + 40)
        if what == "insert":
            content = content[:i] + odd + content[i:]
        elif what == "replace":
            content = content[:i] + odd + content[near:]
        elif what == "delete":
            content = content[:i] + content[near:]
        elif what == "double":
            content = content[:j] + content[i:j] + content[j:]
        elif what == "cut":
            content = content[:j]
        else:
            lines = content.splitlines(keepends=True)
            if lines:
                a, b = int(at * len(lines)), int(to * len(lines))
                lines[a], lines[b] = lines[b], lines[a]
            content = b"".join(lines)
    return content


def ended(path: Path, use: Callable[[], object]) -> str:
    """How it ended to use a file; an error has to name the file."""
    try:
        use()
    except TextclsError as error:
        assert path.name in str(error), f"names no file: {error}"
        return type(error).__name__
    return "valid"


yaml_files = st.tuples(st.sampled_from([path.read_bytes() for path in SPACES]), mutations)


def check_yaml(case: tuple[bytes, list[Mutation]]) -> str:
    """A search file: valid, and then the same once written and read again, or refused."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "search.yaml")
        path.write_bytes(mutated(*case))

        def use() -> None:
            found = search_file.load_search(path)
            assert summarise_search(found)
            path.write_text(search_file.dump_search(found), encoding="utf-8")
            assert search_file.load_search(path) == found

        return ended(path, use)


ROWS = [(f"the {i} text", ("World", "Sports")[i % 2]) for i in range(24)]
DATA = {
    "rows.csv": "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in ROWS),
    "rows.tsv": "label\ttext\n" + "".join(f"{label}\t{text}\n" for text, label in ROWS),
    "rows.jsonl": "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in ROWS),
    "bare.csv": "".join(
        f'"{1 + i % 2}","title {i}","{text}"\n' for i, (text, _) in enumerate(ROWS)
    ),
}
data_files = st.tuples(st.sampled_from(sorted(DATA)), mutations, st.sampled_from(["error", "skip"]))


def check_data(case: tuple[str, list[Mutation], str]) -> str:
    """A file of labelled texts: a data set whose splits agree, or refused."""
    name, changes, bad_rows = case
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, name)
        path.write_bytes(mutated(DATA[name].encode(), changes))

        def use() -> None:
            found = locate(DataConfig.model_validate({"name": str(path), "bad_rows": bad_rows}))
            dataset = found.read()
            for split in dataset.splits.values():
                assert len(split.texts) == len(split.labels) > 0
                assert 0 <= split.labels.min() <= split.labels.max() < len(dataset.label_names)

        return ended(path, use)


NUMBERS = ("0.5 -1.25 3e-2", "1 2 3", "-0.125 0 7")
TEXT = "".join(f"{word} {row}\n" for word, row in zip(WORDS[1:], NUMBERS, strict=True)).encode()
BINARY = b"3 3\n" + b"".join(word.encode() + b" " + bytes(range(12)) + b"\n" for word in WORDS[1:])
VECTORS = {"plain.txt": TEXT, "counted.vec": b"3 3\n" + TEXT, "binary.bin": BINARY}
vector_files = st.tuples(st.sampled_from(sorted(VECTORS)), mutations)


def check_vectors(case: tuple[str, list[Mutation]]) -> str:
    """A file of word vectors: rows of one length for the known words, or refused."""
    name, changes = case
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, name)
        path.write_bytes(mutated(VECTORS[name], changes))

        def use() -> None:
            known, values = read_vectors(path, WORDS)
            assert known.shape == (len(WORDS),)
            assert values.shape[0] in (len(WORDS), int(known.sum()))

        return ended(path, use)


OPTIONS = [
    "--space", "--resume", "--name", "--samples", "--epochs", "--time-budget", "--seed", "--set",
    "--cpus-per-trial", "--gpus-per-trial", "--max-concurrent", "--confirm", "--seeds", "--data",
    "--ensemble", "--storage", "--dashboard-host", "--trial-timeout", "--embeddings", "--quiet",
    "--warm-start", "--text", "--label",
]  # fmt: skip
VALUES = [
    "", "1", "0", "-3", "1e9", "nan", "inf", "5m", "1h30m", "auto", "..", "../x", "a/b", "x" * 300,
    "gru", "search.samples=3", "search.samples", "=", "a=b=c", "model.name=cnn", "model=rnn",
    "space.x.low=1", "train.epochs=[1]", "train={}", "search.scheduler.name=none", "\0", "é", "\n",
    "sqlite:///x.db", "0.0.0.0", "None", str(SPACES[0]), str(SPACES[-1]), "/dev/null", "/", "~",
]  # fmt: skip
command_lines = st.lists(
    st.tuples(st.sampled_from(OPTIONS), st.sampled_from(VALUES) | st.text(max_size=6)), max_size=5
).flatmap(
    lambda pairs: st.booleans().map(
        lambda whole: (
            ["--space", str(SPACES[0])] * whole + [word for pair in pairs for word in pair]
        )
    )
)


def check_command_line(argv: list[str]) -> str:
    """A command of tune.search, up to Ray's start: a request, or refused with no folder left."""
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()) as said:
        runs = Path(place, "runs")
        try:
            given = [*argv, "--runs-dir", str(runs)]
            options = search.make_parser().parse(given)
            if search._misfit(options):
                return "usage"
            request = search._request(options, given)
        except SystemExit as error:
            assert error.code in (0, 2)
            assert error.code == 0 or "error:" in said.getvalue()
            return "usage"
        except TextclsError as error:
            assert str(error).strip()
            assert not runs.exists(), "a run folder was left"
            return type(error).__name__
        assert request.folder.root.parent == runs
        return "valid"


RUN_FILES = ["space.yaml", "environment.json", "result.json", "study.journal", "leaderboard.csv"]
run_files = st.tuples(st.sampled_from(RUN_FILES), mutations)


def check_run_folder(case: tuple[str, list[Mutation]]) -> str:
    """A file of a run folder: tune.status and tune.report show the run, or say what is wrong."""
    name, changes = case
    with tempfile.TemporaryDirectory() as place:
        made = make_search()
        values = {"hidden_size": 64, "learning_rate": 0.01, "dropout": 0.1, "pooling": "max"}
        trials = [
            trial(made, State.COMPLETE, [0.8, 0.85, 0.9], values),
            trial(made, State.PRUNED, [0.7], values | {"dropout": 0.5}),
        ]
        folder = write_run(Path(place, "run"), made, trials, number=0)
        path = folder.root / name
        path.write_bytes(mutated(path.read_bytes(), changes))
        codes = []
        for command in (status.main, report_command.main):
            said, printed = io.StringIO(), io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
                codes.append(command([str(folder.root)]))
            assert codes[-1] in (0, 1)
            assert said.getvalue() if codes[-1] else printed.getvalue()
        return "shown" if codes == [0, 0] else "refused"


KINDS = {
    "search files": (yaml_files, check_yaml),
    "data files": (data_files, check_data),
    "vector files": (vector_files, check_vectors),
    "command lines": (command_lines, check_command_line),
    "run folders": (run_files, check_run_folder),
}
