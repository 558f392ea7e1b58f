"""Find vectors by name where gensim's downloader keeps them, or download them through it.

gensim keeps `NAME/NAME.gz` beside a downloaded `NAME/__init__.py` and runs the latter to load the
former. Here the vectors are parsed and the code is never run: with `return_path=True` the
downloader only fetches.
"""

import contextlib
import difflib
import http.client
import os
import queue
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from textcls.exceptions import EmbeddingError, HubUnreachableError
from textcls.vectors._packages import PACKAGES

NAMES = (
    "conceptnet-numberbatch-17-06-300",
    "fasttext-wiki-news-subwords-300",
    "glove-twitter-100",
    "glove-twitter-200",
    "glove-twitter-25",
    "glove-twitter-50",
    "glove-wiki-gigaword-100",
    "glove-wiki-gigaword-200",
    "glove-wiki-gigaword-300",
    "glove-wiki-gigaword-50",
    "word2vec-google-news-300",
    "word2vec-ruscorpora-300",
)
"""What gensim's list holds; it has not changed since 2018. A new one found on disk is taken too."""

_PROBE_S = 3.5  # with gensim's import an unreachable server is known within five seconds
_STALL_S = 30.0


def find(name: str) -> Path | None:
    """Return the file of the vectors if gensim's downloader has fetched them before."""
    path = _data_dir() / name / f"{name}.gz"
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long, or with a character that no path can have
        return None


def fetch(name: str) -> Path:
    """Download the vectors and return their file.

    Raises:
        HubUnreachableError: The server does not answer within five seconds, or the download breaks
            off.
        EmbeddingError: gensim has no vectors of that name.
    """
    if name not in NAMES:
        raise EmbeddingError(_unknown(name))
    if (_data_dir() / name).exists():
        raise EmbeddingError(
            f"{_data_dir() / name}: gensim's folder is there, but not its {name}.gz;"
            " remove the folder to download it again"
        )
    from gensim import downloader

    if problem := _probe(downloader.DATA_LIST_URL):
        raise HubUnreachableError(
            f"the vectors {name} are not on this machine and gensim's download server cannot be"
            f" reached ({problem})"
        )
    downloader.BASE_DIR = str(_data_dir())  # gensim reads the environment once, on import
    try:
        with _time_limit(_STALL_S), contextlib.redirect_stdout(sys.stderr):
            return Path(downloader.load(name, return_path=True))
    except Exception as error:  # gensim raises bare Exception for a wrong checksum
        if path := find(name):  # another process was quicker
            return path
        if isinstance(error, OSError):
            raise HubUnreachableError(
                f"the download of the vectors {name} broke off ({error})"
            ) from error
        raise EmbeddingError(f"gensim could not download {name}: {error}") from error


def _data_dir() -> Path:
    return Path(os.environ.get("GENSIM_DATA_DIR") or Path.home() / "gensim-data")


def _unknown(name: str) -> str:
    message = f"embeddings.name: no file {name!r}, and gensim's downloader has no vectors so named"
    names = (*PACKAGES, *NAMES)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"{message}; did you mean {close[0]}?"
    return f"{message}; expected a file, corpus, random or one of {', '.join(names)}"


def _probe(url: str) -> str | None:
    """Return why `url` does not answer, or None when it does."""
    answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 (gensim's own https URL)
        try:
            urllib.request.urlopen(request, timeout=_PROBE_S).close()  # noqa: S310
        except (OSError, http.client.HTTPException) as error:
            answer.put(str(getattr(error, "reason", None) or error))
        else:
            answer.put(None)

    # In a thread because a name server that does not answer knows no time limit.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=_PROBE_S)
    except queue.Empty:
        return f"no answer within {_PROBE_S:g} s"


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Give network calls of a library that sets no time limit of its own one."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
