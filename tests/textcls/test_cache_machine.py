"""The cache under any sequence of fetches, kills, damages and deletions (Hypothesis)."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from textcls import cache
from textcls.cache import Entry

_KEYS = st.sampled_from(["a", "b", "c"])


class CacheMachine(RuleBasedStateMachine):
    """Entries of three keys, each with a content of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.whole: set[str] = set()
        """The keys whose entry was stored and not touched since."""

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @staticmethod
    def content(key: str) -> Entry:
        numbers = np.arange(ord(key), dtype=np.int64)
        return Entry({"numbers": numbers, "none": np.zeros((0, 2))}, {"key": key})

    @rule(key=_KEYS)
    def fetch(self, key: str) -> None:
        made: list[str] = []

        def make() -> Entry:
            made.append(key)
            return self.content(key)

        found = cache.fetch(self.root / key, make, made.append)
        assert found.meta == {"key": key}
        np.testing.assert_array_equal(found.arrays["numbers"], self.content(key).arrays["numbers"])
        assert not found.arrays["numbers"].flags.writeable
        assert made == ([] if key in self.whole else [key])
        self.whole.add(key)

    @precondition(lambda self: self.whole)
    @rule(which=st.integers(0, 9), at=st.floats(0, 1, exclude_max=True), cut=st.booleans())
    def damage(self, which: int, at: float, cut: bool) -> None:
        key = sorted(self.whole)[which % len(self.whole)]
        files = sorted((self.root / key).iterdir())
        path = files[which % len(files)]
        content = path.read_bytes()
        place = int(at * len(content))
        changed = bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        path.unlink()  # a map of an entry that is in use keeps its file
        path.write_bytes(content[:place] + (b"" if cut else changed))
        self.whole.discard(key)

    @precondition(lambda self: self.whole)
    @rule(which=st.integers(0, 9))
    def lose_a_file(self, which: int) -> None:
        key = sorted(self.whole)[which % len(self.whole)]
        files = sorted((self.root / key).iterdir())
        files[which % len(files)].unlink()
        self.whole.discard(key)

    @rule(key=_KEYS)
    def be_killed_amid_a_write(self, key: str) -> None:
        draft = cache._beside(self.root / key)
        draft.mkdir()
        (draft / "numbers.npy").write_bytes(b"half")


TestCache = CacheMachine.TestCase
TestCache.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
