"""The wheel: what it holds, and that it works in an empty folder without the checkout."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
FOLDERS = ("textcls", "tune", "search_spaces")
SPACES = {path.name for path in (ROOT / "search_spaces").glob("*.yaml")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, installed into a folder."""
    site = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(site), str(wheel)], check=True)
    return site


def run(
    installed: Path, folder: Path, command: list[str], expected: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder where Python finds the installed packages first."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "100"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == expected, done.stdout + done.stderr
    assert str(ROOT) not in done.stdout + done.stderr
    return done


def test_the_wheel_holds_every_module_and_every_data_file(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for folder in ("textcls", "tune")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".typed", ".css", ".js")
    }
    expected |= {f"tune/search_spaces/{name}" for name in {*SPACES, "schema.json"}}
    assert held == expected
    assert {"textcls/py.typed", "tune/py.typed", "tune/report/report.css"} < expected


def test_the_sdist_holds_what_the_wheel_is_built_from_and_no_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {*SOURCES, *(f"search_spaces/{name}" for name in SPACES)} < names
    assert not any(name.startswith("tests/") for name in names)


def test_the_installed_packages_come_before_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import textcls, tune; print(textcls.__file__, tune.__file__)"
    done = run(installed, tmp_path, [sys.executable, "-c", code])
    assert done.stdout.count(str(installed)) == 2


@pytest.mark.parametrize("name", sorted(path.removesuffix(".yaml") for path in SPACES))
def test_each_search_space_is_found_by_its_name(name: str, installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, [sys.executable, "-m", "tune.validate", name])
    assert done.stdout.startswith(f"{installed}/tune/search_spaces/{name}.yaml: ")


def test_the_search_spaces_are_listed(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, [sys.executable, "-m", "tune.cli", "search", "--list"])
    names = {line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert {f"{name}.yaml" for name in names} == SPACES


def test_the_console_script_runs(installed: Path, tmp_path: Path) -> None:
    script = str(installed / "bin" / "textcls-tune")
    told = run(installed, tmp_path, [script, "--version"]).stdout
    assert told == f"textcls-tune {PROJECT['version']}\n"
    done = run(installed, tmp_path, [script, "search", "--space", "gur"], expected=1)
    assert "did you mean gru?" in done.stderr
    done = run(installed, tmp_path, [script, "search", "--help"])
    assert done.stdout.startswith("usage: textcls-tune search --data DATA")
    assert not list(tmp_path.iterdir())


def test_from_a_checkout_without_an_installation_a_name_is_found_too(tmp_path: Path) -> None:
    """As after `git clone`: the current folder is all that Python knows of the packages."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = run(tmp_path, tmp_path, [sys.executable, "-m", "tune.validate", "gru"])
    assert done.stdout.startswith(f"{tmp_path}/search_spaces/gru.yaml: ")


@pytest.mark.parametrize("name", ["numba", "optuna", "ray"])
def test_an_upper_bound_is_the_minor_version_after_the_one_that_the_tests_use(name: str) -> None:
    (declared,) = (each for each in map(Requirement, PROJECT["dependencies"]) if each.name == name)
    used = Version(metadata.version(name))
    assert used in declared.specifier
    (upper,) = re.findall(r"<([\d.]+)", str(declared.specifier))
    assert Version(upper) == Version(f"{used.major}.{used.minor + 1}")
