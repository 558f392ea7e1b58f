"""Tell the encoding of a text file by its content, and rewrite the file as UTF-8.

A byte order mark, zero bytes in every second place and valid UTF-8 are certain. What is none of
them is guessed by charset-normalizer among the encodings that files of texts come in. On the few
accented letters of a Western file its candidates often tie; then Windows-1252 is taken, the usual
one.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from textcls.exceptions import DataError

UTF8 = "utf-8"
_BLOCK = 1 << 20  # bytes
_SAMPLE = 1 << 18  # bytes of lines that are not ASCII; charset-normalizer needs far fewer
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_USUAL = (
    *("cp1252", "cp1250", "cp1254", "cp1257", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *("cp874", "gb18030", "big5", "cp932", "euc_jp", "cp949"),
)
"""The candidates; where two fit equally, the first."""
_WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüœŒšŠžŽŸ"
    "£€¥¢§°«»¡¿´·–—‘’“”„…•™®©½¼¾²³¹ªº×÷±µ¶\xa0"  # noqa: RUF001
)
_TURKISH = frozenset("çğıöşüÇĞİÖŞÜâîûÂÎÛ£€°«»·–—‘’“”…•\xa0")  # noqa: RUF001
_MISPLACED = re.compile(r"[²³¹¼½¾±µ¶§©®×÷]\w")  # as Polish letters look there  # noqa: RUF001
_KANA_SHARE = 0.3  # of the characters beyond ASCII: no other encoding reads as kana by accident
_CHAOS, _COHERENCE = 0.03, 0.06  # differences that charset-normalizer's figures do not decide
_FEW = 30  # bytes beyond ASCII
_MIXED = 0.25  # zero bytes in every second place, of all: at least a quarter of a UTF-16 file


@dataclass(frozen=True, slots=True)
class FoundEncoding:
    """An encoding, as Python calls it, and a line that it makes readable where it was guessed."""

    name: str
    example: str = ""


def is_utf8(path: Path) -> bool:
    """Tell whether a whole file is UTF-8, a block at a time.

    The answer for a file is remembered by its path, size and modification time, since several
    readers ask.

    Args:
        path: The file.

    Returns:
        True also for ASCII and for an empty file.

    Raises:
        OSError: The file cannot be read.
    """
    about = path.stat()
    return _is_utf8(path, about.st_ino, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)
def _is_utf8(path: Path, *_version: int) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                if decoder.getstate()[0] or not block.isascii():  # which is told ten times as fast
                    decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def detect_encoding(path: Path) -> FoundEncoding:
    """Tell the encoding of a file.

    Args:
        path: The file.

    Returns:
        That of its byte order mark, UTF-16 or UTF-32 without one, UTF-8 (also with some damaged
        bytes in it), or a guess, which comes with a line of the text to judge it by.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return FoundEncoding(name)
    if wide := _wide(head):
        return FoundEncoding(wide)
    sample, whole, stray = _beyond_ascii(path)
    if not stray or whole > stray:  # nothing else than UTF-8 makes valid sequences by accident
        return FoundEncoding(UTF8)
    guessed = guess_encoding(sample)
    if guessed is None:
        return FoundEncoding(UTF8)
    shown = sample.decode(guessed, errors="replace").strip().splitlines()
    return FoundEncoding(guessed, shown[0][:60] if shown else "")


def rewrite_as_utf8(path: Path, encoding: str, out: Path, place: str) -> None:
    """Write a file's text to another file in UTF-8, its line ends as they are.

    In an encoding of one byte a character, a byte without a meaning goes on as itself, so that only
    the row that holds it is at fault.

    Args:
        path: The file.
        encoding: Its encoding, as Python calls it.
        out: Is replaced where it exists.
        place: What messages call the file.

    Raises:
        DataError: Some bytes cannot be of the encoding.
    """
    single = len("\u3042".encode(encoding, errors="replace")) == 1  # a letter of all others
    # A byte without a meaning goes on as itself: the row that holds it is at fault, not the file.
    errors = "surrogateescape" if single else "strict"
    try:
        with (
            path.open(encoding=encoding, errors=errors, newline="") as file,
            out.open("w", encoding=UTF8, errors="surrogateescape", newline="") as copy,
        ):
            while block := file.read(_BLOCK):
                copy.write(block)
    except UnicodeError as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"{place}: not all of it is {encoding} ({reason}); expected text in one encoding "
            "(data.encoding names it)"
        ) from error


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: in texts of the West every second byte is zero."""
    half = len(head) // 2
    if not half:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < 2 * _MIXED * half or min(even, odd) > 0.05 * half:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _beyond_ascii(path: Path) -> tuple[bytes, int, int]:
    """Lines beyond ASCII, how many characters beyond ASCII are valid UTF-8, and stray bytes.

    Where the whole file is UTF-8 that is known at a glance and nothing is counted.
    """
    if is_utf8(path):
        return b"", 0, 0
    sample, whole, stray = bytearray(), 0, 0
    with path.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            text = line.decode(UTF8, errors="surrogateescape")
            strays = sum("\udc80" <= character <= "\udcff" for character in text)
            whole += sum(character > "\x7f" for character in text) - strays
            stray += strays
            if strays:
                sample += line
            if len(sample) > _SAMPLE:
                break
    return bytes(sample), whole, stray


def guess_encoding(content: bytes) -> str | None:
    """Return the likeliest encoding of bytes that are not UTF-8.

    Args:
        content: Whole lines of a file; those that are ASCII tell nothing and are left out.

    Returns:
        The encoding as Python calls it, such as "cp1252"; None where none makes sense of the bytes.

    Example:
        >>> guess_encoding("Le café était fermé à cette heure-là, même l'été.".encode("cp1252"))
        'cp1252'
    """
    lines = (line for line in content.splitlines() if not line.isascii())
    sample = b"\n".join(lines)[:_SAMPLE]
    for name in ("cp932", "euc_jp"):
        if _kana(sample, name) >= _KANA_SHARE:
            return name
    if _hebrew(sample):
        return "cp1255"
    # charset-normalizer has no Turkish to compare with and takes it for Polish.
    turkish = {character for character in sample.decode("cp1254", "replace") if character > "\x7f"}
    if turkish <= _TURKISH and len(turkish & set("ğış")) >= 2:
        return "cp1254"
    from charset_normalizer import from_bytes

    found: list[Any] = list(from_bytes(sample, cp_isolation=list(_USUAL)))
    western = _western(sample)
    if not western:
        found = [match for match in found if "cp1252" not in _names(match)]
    few = sum(byte > 0x7F for byte in sample) < _FEW  # too few to tell a language by
    if not found or (few and not western and found[0].coherence == 0):
        return "cp1252" if western else None
    best = found[0]
    near = [
        match
        for match in found
        if match.chaos <= best.chaos + _CHAOS
        and (few or match.coherence >= best.coherence - _COHERENCE)
    ]
    names = {name for match in near for name in _names(match)}
    return next((name for name in _USUAL if name in names), None)


def _names(match: Any) -> tuple[str, ...]:
    """Return the encodings that give the same text."""
    return (match.encoding, *match.could_be_from_charset)


def _western(sample: bytes) -> bool:
    text = sample.decode("cp1252", errors="replace")
    if _MISPLACED.search(text):
        return False
    high = [character for character in text if not character.isascii()]
    return sum(character in _WESTERN for character in high) >= 0.9 * len(high)


def _hebrew(sample: bytes) -> bool:
    """Tell whether most letters are among the 27 of Hebrew in Windows-1255, and none beside them.

    Those bytes are small letters of Russian, too; but no Russian text lacks both capitals and the
    five letters that follow.
    """
    high = [byte for byte in sample if byte >= 0xC0]
    ascii_letters = sum(bytes((byte,)).isalpha() for byte in sample if byte < 0x80)
    hebrew = all(0xE0 <= byte <= 0xFA for byte in high)
    return hebrew and len(high) >= _FEW and len(high) > ascii_letters


def _kana(sample: bytes, name: str) -> float:
    """Return the share of full-width kana among the characters beyond ASCII; 0 where invalid."""
    try:
        text = sample.decode(name)
    except UnicodeDecodeError:
        return 0.0
    high = [character for character in text if not character.isascii()]
    kana = sum("\u3041" <= character <= "\u30fe" for character in high)
    return kana / len(high) if high else 0.0
