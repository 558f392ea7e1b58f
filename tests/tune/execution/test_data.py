from pathlib import Path

import pytest

from tune.config import search_file
from tune.execution import data


def test_corpora_that_share_their_texts_say_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "space.yaml"
    path.write_text(
        "data: {name: synthetic, train_size: 200, test_size: 100}\n"
        "embeddings: {name: random, dim: 4}\n"
        "space: {scale: {type: categorical, choices: [0.5, 1.0, 2.0]}}\n"
    )
    said: list[str] = []
    made = data.prepare_corpora(search_file.load_search(path), said.append)
    assert sorted(embeddings.scale for embeddings in made) == [0.5, 1.0, 2.0]
    assert len(said) == len(set(said))
    assert [sentence for sentence in said if "100 test texts" in sentence]
