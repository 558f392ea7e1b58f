import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from textcls.training import tensor_files

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3).T}  # not contiguous


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_has_the_mode_that_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "folder" / "rung-0.safetensors"
    before = os.umask(umask)
    try:
        tensor_files.save_tensors(TENSORS, path, {"training": "{}"})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert torch.equal(load_file(path)["weight"], TENSORS["weight"])
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise tensor_files.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensor_files, "save_file", full)  # a disk that is full, and no other
    with pytest.raises(OSError, match="No space left on device") as raised:
        tensor_files.save_tensors(TENSORS, tmp_path / "best.safetensors")
    assert (raised.value.errno, raised.value.filename) == (28, f"{tmp_path}/best.safetensors")
    assert list(tmp_path.iterdir()) == []
