"""A classifier goes to the hub and comes back; the hub is a stand-in on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from bundle_parts import export_small
from fake_model_hub import TOKEN, ModelHub, serving

from textcls import TextClassifier
from textcls.ensemble import write_ensemble
from textcls.push.publication import stage_bundle

TEXTS = ["a good game", "word1 word3", ""]


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    with serving() as running:
        yield running


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    data = tmp_path / "secret place" / "tickets.csv"
    about = {
        "configuration": {
            "data": {"name": str(data)}, "model": {}, "embeddings": {}, "train": {},
        },
        "provenance": {"data": f"tickets.csv ({data})"},
    }  # fmt: skip
    made = export_small(tmp_path / "made", about=about)
    # As an earlier version wrote it: with the whole path.
    content = json.loads((made / "bundle.json").read_text())
    content["about"] = about
    (made / "bundle.json").write_text(json.dumps(content))
    return made


def run(
    hub: ModelHub | str, tmp_path: Path, module: str, *options: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with this hub and a cache of its own; the hub's address is read at import."""
    address = hub if isinstance(hub, str) else hub.address
    # Xet, where it is installed, talks to servers of its own; without it large files go by LFS.
    own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": TOKEN,
           "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "0", **own, **env},
    )  # fmt: skip


def test_it_comes_back_as_it_went(hub: ModelHub, bundle: Path, tmp_path: Path) -> None:
    hub.wants_token = True
    done = run(hub, tmp_path, "textcls.push", str(bundle), "ann/tickets", "--private",
               "--license", "mit", "--language", "en")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (f"{hub.address}/ann/tickets (textcls-tune predict hf://ann/tickets)\n")
    repository = hub.repositories["ann/tickets"]
    assert repository.private is True
    files = repository.commits[repository.latest]
    assert set(files) == {path.name for path in bundle.iterdir()}
    assert b"secret place" not in b"".join(files.values())
    front = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert (front["license"], front["language"]) == ("mit", ["en"])
    assert front["library_name"] == "textcls-tune"
    here = run(hub, tmp_path, "textcls.predict", str(bundle), *TEXTS[:2])
    there = run(hub, tmp_path, "textcls.predict", "hf://ann/tickets", *TEXTS[:2])
    assert (there.returncode, there.stderr) == (0, "")
    assert there.stdout == here.stdout
    again = run(hub, tmp_path, "textcls.predict", "hf://ann/tickets", *TEXTS[:2],
                HF_HUB_OFFLINE="1")  # fmt: skip
    assert again.stdout == here.stdout


def test_large_files_come_back_as_they_went(hub: ModelHub, bundle: Path, tmp_path: Path) -> None:
    weights = bundle / "classifier.safetensors"
    size = weights.stat().st_size
    hub.large.part_bytes = size // 3
    done = run(hub, tmp_path, "textcls.push", str(bundle), "ann/large")
    assert (done.returncode, done.stderr) == (0, "")
    parts = [hub.large.part_bytes] * 3 + ([size % 3] if size % 3 else [])
    assert hub.large.received == parts
    repository = hub.repositories["ann/large"]
    assert repository.commits[repository.latest][weights.name] == weights.read_bytes()
    here = run(hub, tmp_path, "textcls.predict", str(bundle), *TEXTS[:2])
    there = run(hub, tmp_path, "textcls.predict", "hf://ann/large", *TEXTS[:2])
    assert there.stdout == here.stdout
    again = run(hub, tmp_path, "textcls.push", str(bundle), "ann/second")
    assert again.returncode == 0
    assert hub.large.received == parts  # the storage has it already


def test_large_files_that_the_hub_refuses_are_one_message(
    hub: ModelHub, bundle: Path, tmp_path: Path
) -> None:
    hub.large.refusal = "You have exceeded your storage limit"
    done = run(hub, tmp_path, "textcls.push", str(bundle), "ann/full")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "ann/full" in done.stderr
    assert "the hub does not take a file" in done.stderr
    assert "exceeded your storage limit" in done.stderr
    assert not hub.repositories["ann/full"].commits


def test_a_hub_without_xet_is_told_with_the_way_around_it(
    hub: ModelHub, bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("hf_xet", reason="huggingface_hub brings it on most machines only")
    done = run(hub, tmp_path, "textcls.push", str(bundle), "ann/plain", HF_HUB_DISABLE_XET="0")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "HF_HUB_DISABLE_XET=1 uploads them without it" in done.stderr


def test_a_revision_stays_as_it_was(hub: ModelHub, bundle: Path, tmp_path: Path) -> None:
    assert run(hub, tmp_path, "textcls.push", str(bundle), "ann/tickets").returncode == 0
    repository = hub.repositories["ann/tickets"]
    first = repository.latest
    assert repository.private is None
    content = json.loads((bundle / "bundle.json").read_text())
    content["label_names"] = [f"{name} two" for name in content["label_names"]]
    (bundle / "bundle.json").write_text(json.dumps(content))
    assert run(hub, tmp_path, "textcls.push", str(bundle), "ann/tickets").returncode == 0
    latest = run(hub, tmp_path, "textcls.predict", "hf://ann/tickets", TEXTS[0]).stdout
    before = run(hub, tmp_path, "textcls.predict", f"hf://ann/tickets@{first}", TEXTS[0]).stdout
    assert "two" in latest
    assert "two" not in before


def test_from_python(hub: ModelHub, bundle: Path, tmp_path: Path) -> None:
    code = f"""
import numpy as np
from textcls import TextClassifier
clf = TextClassifier.load({str(bundle)!r})
print(clf.push_to_hub("ann/own", license="mit", language="de"))
again = TextClassifier.from_hub("ann/own")
texts = {TEXTS!r}
assert np.array_equal(clf.predict_proba(texts), again.predict_proba(texts))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf"),
             "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == f"{hub.address}/ann/own\n"
    files = hub.repositories["ann/own"].commits[hub.repositories["ann/own"].latest]
    front = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert front["language"] == ["de"]


def test_a_strangers_files_are_checked(hub: ModelHub, bundle: Path, tmp_path: Path) -> None:
    assert run(hub, tmp_path, "textcls.push", str(bundle), "eve/bad").returncode == 0
    repository = hub.repositories["eve/bad"]

    def refusal() -> str:
        done = run(hub, tmp_path, "textcls.predict", "hf://eve/bad", TEXTS[0])
        assert done.returncode == 1
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)
        return done.stderr

    repository.claimed = {"classifier.safetensors": 1 << 40}
    assert "eve/bad: its files have 1,099," in refusal()
    repository.claimed = {}
    repository.commit({"classifier.safetensors": b"no tensors"})
    assert "classifier.safetensors: no safetensors file" in refusal()
    repository.commit({"bundle.json": b"[" * 100_000})
    assert "bundle.json" in refusal()
    repository.commits = {}
    repository.commit({"model.pkl": b"\x80", "weights.bin": b"\0"})
    assert "eve/bad: holds no classifier of textcls-tune" in refusal()
    cached = [path.name for path in (tmp_path / "hf").rglob("*") if path.is_file()]
    assert "model.pkl" not in cached


@pytest.mark.parametrize(
    ("name", "env", "message"),
    [
        ("hf://ann/none", {}, "hf://ann/none: cannot be read: there is no such repository, or it"),
        ("hf://ann/none", {"HF_HUB_OFFLINE": "1"}, "the hub's cache on this machine does not hold"),
        (
            "hf://../../etc",
            {},
            "'../../etc': not the name of a repository; expected hf://user/name",
        ),
        ("hf://ann/none", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub cannot be reached ("),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    hub: ModelHub, tmp_path: Path, name: str, env: dict[str, str], message: str
) -> None:
    done = run(hub, tmp_path, "textcls.predict", name, "text", **env)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_revision_and_a_wrong_token_are_said(
    hub: ModelHub, bundle: Path, tmp_path: Path
) -> None:
    assert run(hub, tmp_path, "textcls.push", str(bundle), "ann/tickets").returncode == 0
    done = run(hub, tmp_path, "textcls.predict", "hf://ann/tickets@v9", "text")
    assert "hf://ann/tickets@v9: cannot be read: there is no such revision" in done.stderr
    hub.wants_token = True
    refused = run(hub, tmp_path, "textcls.push", str(bundle), "ann/tickets", HF_TOKEN="hf_no")  # noqa: S106
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "ann/tickets: cannot be written: the hub refuses the token" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_an_ensemble_is_published_whole(tmp_path: Path) -> None:
    folder, out = tmp_path / "ensemble", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for name in ("1", "2"):
        export_small(folder / name).rename(folder / f"member-{name}")
    write_ensemble(folder, ["member-1", "member-2"], {})
    stage_bundle(folder, out, "mit", ["en"])
    assert "The probabilities of 2 classifiers, averaged." in (out / "README.md").read_text()
    first, again = TextClassifier.load(folder), TextClassifier.load(out)
    assert np.array_equal(first.predict_proba(TEXTS), again.predict_proba(TEXTS))


def test_a_card_that_somebody_has_written_stays(bundle: Path, tmp_path: Path) -> None:
    card = "---\nlicense: apache-2.0\ntags: [tickets]\n---\n\n# Ours\n\nFor the help desk.\n"
    (bundle / "README.md").write_text(card)
    for number, (licence, languages) in enumerate([(None, []), (None, ["en"]), ("mit", [])]):
        out = tmp_path / f"out-{number}"
        out.mkdir()
        stage_bundle(bundle, out, licence, languages)
        found = (out / "README.md").read_text()
        front = yaml.safe_load(found.split("---\n")[1])
        assert found.endswith("# Ours\n\nFor the help desk.\n")
        assert front["license"] == (licence or "apache-2.0")
        assert front.get("language", []) == languages
        assert front["tags"] == ["tickets"]
