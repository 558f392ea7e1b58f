"""A short name for content: the same bytes and settings give the same, wherever they lie."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_DIGEST_BYTES = 16
_BLOCK = 1 << 20


def content_fingerprint(settings: Mapping[str, Any], files: Iterable[tuple[str, Path]] = ()) -> str:
    """Hash JSON-able settings and files, each under a name of its role; hexadecimal, 32 digits."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for role, path in files:
        digest.update(f"\0{role}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
