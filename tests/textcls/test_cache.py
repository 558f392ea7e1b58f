import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from textcls import cache
from textcls.cache import Entry, default_cache_dir, fetch, key, load, store


def entry(seed: int = 0) -> Entry:
    numbers = np.random.default_rng(seed).integers(0, 1000, 5000)
    arrays = {"numbers": numbers, "none": np.zeros(0, np.int32), "table": np.ones((3, 4), "f4")}
    return Entry(arrays, {"seed": seed, "names": ["é", "b"]})


def assert_same(loaded: Entry | None, made: Entry) -> None:
    assert loaded is not None
    assert loaded.meta == made.meta
    assert list(loaded.arrays) == list(made.arrays)
    for name, values in made.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], values)
        assert loaded.arrays[name].dtype == values.dtype


def never() -> Entry:
    raise AssertionError("made again, though it was in the cache")


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def test_what_is_stored_comes_back_as_read_only_maps_of_files(tmp_path: Path) -> None:
    store(tmp_path / "one", entry())
    loaded = load(tmp_path / "one")
    assert_same(loaded, entry())
    assert loaded is not None
    assert not any(values.flags.writeable for name, values in loaded.arrays.items() if values.size)
    assert isinstance(loaded.arrays["numbers"].base, np.memmap)
    assert type(loaded.arrays["numbers"]) is np.ndarray


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    first = fetch(tmp_path / "deep/in/one", entry, silent)
    assert isinstance(first.arrays["numbers"].base, np.memmap)  # the first time like the second
    assert_same(fetch(tmp_path / "deep/in/one", never, silent), entry())


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert load(tmp_path / "one") is None


DAMAGE: dict[str, Callable[[Path], object]] = {
    "an array cut off": lambda f: os.truncate(f / "numbers.npy", 900),
    "an array empty": lambda f: os.truncate(f / "numbers.npy", 0),
    "an array longer": lambda f: os.truncate(f / "numbers.npy", 99999),
    "a bit turned": lambda f: turn_a_bit(f / "numbers.npy"),
    "an array gone": lambda f: (f / "table.npy").unlink(),
    "a folder for an array": lambda f: ((f / "table.npy").unlink(), (f / "table.npy").mkdir()),
    "the manifest gone": lambda f: (f / "manifest.json").unlink(),
    "the manifest empty": lambda f: os.truncate(f / "manifest.json", 0),
    "the manifest cut off": lambda f: os.truncate(f / "manifest.json", 40),
    "the manifest something else": lambda f: (f / "manifest.json").write_text("[1, 2]"),
    "the manifest changed": lambda f: replace(f / "manifest.json", '"seed": 0', '"seed": 1'),
    "the manifest binary": lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe\0"),
    "another format": lambda f: replace(f / "manifest.json", '"format": 1', '"format": 0'),
    "an empty folder": lambda f: (shutil.rmtree(f), f.mkdir()),
}


def turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_entry_is_not_trusted_and_is_made_again(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    folder = tmp_path / "one"
    store(folder, entry())
    damage(folder)
    assert load(folder) is None
    assert_same(fetch(folder, entry, silent), entry())
    assert_same(load(folder), entry())
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_good_entry_is_kept_when_a_second_is_stored(tmp_path: Path) -> None:
    store(tmp_path / "one", entry(0))
    store(tmp_path / "one", entry(1))
    assert_same(load(tmp_path / "one"), entry(0))


def test_a_map_in_use_outlives_the_repair_of_its_entry(tmp_path: Path) -> None:
    store(tmp_path / "one", entry())
    loaded = load(tmp_path / "one")
    (tmp_path / "one/manifest.json").unlink()
    store(tmp_path / "one", entry())
    assert_same(loaded, entry())


def test_where_nothing_can_be_written_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    said: list[str] = []
    made = fetch(tmp_path / "file/one", entry, said.append)
    assert_same(made, entry())
    assert not made.arrays["numbers"].flags.writeable
    assert len(said) == 1
    assert "cache cannot be written" in said[0]


def test_a_draft_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_checksum", full_disk)
    with pytest.raises(OSError, match="No space left"):
        store(tmp_path / "one", entry())
    assert list(tmp_path.iterdir()) == []


def test_drafts_of_killed_processes_are_swept_when_they_are_old(tmp_path: Path) -> None:
    for name in (".one.young.tmp", ".one.old.tmp"):
        (tmp_path / name).mkdir()
    day_before = time.time() - 25 * 3600
    os.utime(tmp_path / ".one.old.tmp", (day_before, day_before))
    store(tmp_path / "two", entry())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".one.young.tmp", "two"]


def test_keys_tell_settings_apart() -> None:
    assert key("a", 1) == key("a", 1)
    assert len({key("a", 1), key("a", 2), key("a", "1"), key("a1"), key(["a", 1])}) == 5


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("TEXTCLS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache_dir() == Path("/home/someone/.cache/textcls")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_cache_dir() == Path("/caches/textcls")
    monkeypatch.setenv("TEXTCLS_CACHE", "/own")
    assert default_cache_dir() == Path("/own")


STORM = """
import sys
from pathlib import Path
import numpy as np
from textcls.cache import Entry, fetch

folder = Path(sys.argv[1])
for turn in range(60):
    made = Entry({"numbers": np.arange(5000) + turn}, {"turn": turn})
    entry = fetch(folder / str(turn), lambda: made, sys.exit)
    assert entry.meta == {"turn": turn}
    assert entry.arrays["numbers"][0] == turn
    (folder / str(turn) / "manifest.json").unlink(missing_ok=True)  # the others must repair it
    entry = fetch(folder / str(turn), lambda: made, sys.exit)
    assert entry.arrays["numbers"][0] == turn
"""


def test_processes_that_store_and_damage_the_same_entries_agree(tmp_path: Path) -> None:
    storms = [
        subprocess.Popen([sys.executable, "-c", STORM, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for storm in storms:
        _, errors = storm.communicate(timeout=120)
        assert (storm.returncode, errors) == (0, b"")
    assert not list(tmp_path.glob(".*"))
