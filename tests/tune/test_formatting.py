import json
from pathlib import Path

import pytest

from textcls.exceptions import TextclsError
from tune import search
from tune.formatting import without_password
from tune.run_folder import environment
from tune.run_folder.paths import RunFolder
from tune.study import databases, journal

SECRET = "s3cr-t:p/w"  # noqa: S105  # nobody's


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ada:pw@host/db", "postgresql://ada:***@host/db"),
        ("s3://key:se/cret@bucket/x", "s3://key:***@bucket/x"),
        ("--storage=mysql://u:p@h/d?ssl_password=q&a=1",
         "--storage=mysql://u:***@h/d?ssl_password=***&a=1"),
        ("s3://bucket/x?access_key=A&secret_key=B", "s3://bucket/x?access_key=***&secret_key=***"),
        ("https://host:8265/path", "https://host:8265/path"),
        ("a key=value pair of no address", "a key=value pair of no address"),
    ],
)  # fmt: skip
def test_a_password_is_left_out(text: str, expected: str) -> None:
    assert without_password(text) == expected


@pytest.mark.parametrize(
    "options",
    [
        ["--storage", f"postgresql://ada:{SECRET}@host/db"],
        ["--storage", f"postgresql//ada:{SECRET}"],
        ["--storage", f"nothing://ada:{SECRET}@host/db?password={SECRET}"],
        ["--runs-dir", f"s3://ada:{SECRET}@bucket/runs"],
    ],
)
def test_no_password_of_an_address_is_printed_or_kept(
    options: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    assert search.main(["--space", "gru", "--name", "run", *options]) == 1
    printed = "".join(capfd.readouterr())
    assert printed
    assert SECRET not in printed
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


def test_a_foreign_run_folder_s_password_is_not_printed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    told = {"storage": f"postgresql://ada:{SECRET}@host/db", "study_name": "run"}
    folder.database.write_text(json.dumps(told))
    with pytest.raises(TextclsError) as refused:
        _ = folder.study
    assert SECRET not in str(refused.value)
    assert "postgresql://ada:***@host/db" in str(refused.value)


def test_a_database_that_does_not_answer_tells_no_password() -> None:
    with pytest.raises(TextclsError) as refused:
        journal.Storage(f"nothing://ada:{SECRET}@host/db").open()
    assert SECRET not in str(refused.value)


def test_the_recorded_command_has_no_password() -> None:
    command = ["python", "--on-finish", f"curl https://ada:{SECRET}@host/done"]
    told = environment.describe(command=command, seed=0, corpora=[], resources={}, notices=[])
    assert SECRET not in json.dumps(told)


def test_what_is_allowed_is_kept_without_one() -> None:
    with pytest.raises(TextclsError):
        databases.allow_named(f"postgresql://ada:{SECRET}@host/db")
