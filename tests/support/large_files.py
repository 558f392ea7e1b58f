"""The storage of large files of a hub: the batch protocol of Git LFS, whole or in parts.

A client asks `info/lfs/objects/batch` where to put files, of which it tells SHA-256 and size, sends
each to the addresses that it is given, and then names them in a commit by their SHA-256
(https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md; parts are the Hugging Face hub's
addition).
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

SUFFIX = ".safetensors"
"""What the hub's `.gitattributes` calls large, whatever its size."""


@dataclass
class LargeFiles:
    """Contents by their SHA-256; what has arrived of those that come in parts."""

    part_bytes: int | None = None
    """Files of more bytes are asked for in parts of so many; None takes each whole."""
    refusal: str = ""
    """What the batch request is answered with; empty to take the files."""
    contents: dict[str, bytes] = field(default_factory=dict)
    received: list[int] = field(default_factory=list)
    """Bytes of each upload, in the order in which they came."""
    _parts: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def batch(self, asked: dict[str, Any], address: str) -> dict[str, Any]:
        """Answer where the files are to be sent; nothing is asked for of those that are here."""
        assert asked["operation"] == "upload"
        assert asked["hash_algo"] == "sha256"
        told = [self._told(each["oid"], each["size"], address) for each in asked["objects"]]
        return {"transfer": "basic", "objects": told}

    def _told(self, oid: str, size: int, address: str) -> dict[str, Any]:
        known = {"oid": oid, "size": size}
        if self.refusal:
            return known | {"error": {"code": 422, "message": self.refusal}}
        if oid in self.contents:
            return known
        place = f"{address}/lfs/{oid}"
        upload: dict[str, Any] = {"href": place}
        if self.part_bytes is not None and size > self.part_bytes:
            count = -(-size // self.part_bytes)
            parts = {f"{number:05d}": f"{place}/{number}" for number in range(1, count + 1)}
            upload["header"] = {"chunk_size": str(self.part_bytes), **parts}
        return known | {"actions": {"upload": upload, "verify": {"href": f"{place}/verify"}}}

    def put(self, oid: str, part: str | None, content: bytes) -> str:
        """Take a file, or a part of it by its number; return the ETag."""
        self.received.append(len(content))
        if part is None:
            self.contents[oid] = content
        else:
            self._parts.setdefault(oid, {})[int(part)] = content
        return hashlib.md5(content).hexdigest()  # noqa: S324 - an ETag, as S3 makes it

    def complete(self, oid: str, parts: list[dict[str, Any]]) -> bool:
        """Put the parts of a file together; returns whether they are those that arrived."""
        arrived = self._parts.pop(oid, {})
        for each in parts:
            tag = hashlib.md5(arrived[each["partNumber"]]).hexdigest()  # noqa: S324
            if each["etag"].strip('"') != tag:
                return False
        self.contents[oid] = b"".join(arrived[number] for number in sorted(arrived))
        return len(parts) == len(arrived)

    def verify(self, oid: str, size: int) -> bool:
        """Tell whether a file has arrived as it was announced."""
        content = self.contents.get(oid)
        if content is None or len(content) != size:
            return False
        return hashlib.sha256(content).hexdigest() == oid
