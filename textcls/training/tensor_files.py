"""Write safetensors files as other files are written: whole, with the usual mode and errors."""

import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

_OS_ERROR = re.compile(r"os error (\d+)")  # safetensors tells of the system's errors in words


def save_tensors(
    tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors to a safetensors file, beside and renamed.

    The file has the mode that the umask says; safetensors itself lets nobody else read it.

    Args:
        tensors: By name, on any device. Two names must not share memory.
        path: The file, whose folder is made where it is missing.
        metadata: Texts for the file's header.

    Raises:
        OSError: With its number, when the file cannot be written; nothing is left of it then.
    """
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
    try:
        beside.touch(exist_ok=False)
        mode = stat.S_IMODE(beside.stat().st_mode)
        save_file(contiguous, beside, metadata=dict(metadata) if metadata is not None else None)
        beside.chmod(mode)
        beside.replace(path)
    except SafetensorError as error:
        beside.unlink(missing_ok=True)
        if found := _OS_ERROR.search(str(error)):
            raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error
        raise
    except OSError:
        beside.unlink(missing_ok=True)
        raise
