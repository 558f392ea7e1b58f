"""Download a classifier's files from a repository of the Hugging Face hub, and upload them.

A repository may be anybody's: only JSON and safetensors files are taken, at most one folder deep,
and their sizes are looked at before anything is downloaded. Whoever loads the folder checks its
content as that of any other (`textcls.runtime.bundle_files`).
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from textcls.exceptions import HubError
from textcls.output import one_line

_WRITTEN = "written"
SCHEME = "hf://"
"""How the address of a repository begins: hf://user/name, or hf://user/name@revision."""
MOST_BYTES = 2 << 30
"""Of all files of a classifier together; real ones take some megabytes."""
_MOST_FILES = 5_000
_KINDS = (".json", ".safetensors")
_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?", re.ASCII)
_TIMEOUT_S = 10.0


def is_hub_address(name: str) -> bool:
    """Tell whether a name means a repository of the hub.

    Example:
        >>> is_hub_address("hf://ann/tickets"), is_hub_address("ann/tickets")
        (True, False)
    """
    return name.startswith(SCHEME)


def split_address(address: str) -> tuple[str, str | None]:
    """Return the repository's name and the revision in an address; None where it names none.

    Raises:
        HubError: It is no address of a repository.

    Example:
        >>> split_address("hf://ann/tickets@v2")
        ('ann/tickets', 'v2')
    """
    name, _, revision = address.removeprefix(SCHEME).partition("@")
    _check_name(name)
    return name, revision or None


def download_repository(
    name: str, revision: str | None = None, *, token: str | None = None
) -> Path:
    """Download the files of a classifier; what is in the hub's cache already is not sent again.

    With HF_HUB_OFFLINE=1 the cache's copy is taken as it is.

    Args:
        name: The repository, `user/name`.
        revision: A branch, a tag or a commit; by default the latest commit of main.
        token: Of an account that may read it; by default that of `hf auth login` or HF_TOKEN.

    Returns:
        The folder with the files, in the hub's cache.

    Raises:
        HubError: There is no such repository or revision, the hub cannot be reached, the files are
            no classifier's, or they are too large.

    Example::

        download_repository("ann/tickets", "v2")
    """
    _check_name(name)
    hub = _huggingface_hub()
    shown = f"{name}@{revision}" if revision else name
    with _told(shown, "read"), _quiet():
        if hub.constants.HF_HUB_OFFLINE:
            found = hub.snapshot_download(
                name, revision=revision, local_files_only=True, allow_patterns=_patterns()
            )
            return Path(found)
        info = hub.HfApi(token=token).model_info(
            name, revision=revision, files_metadata=True, timeout=_TIMEOUT_S
        )
        files = _checked_files(shown, info.siblings or ())
        # Not by the commit: the cache then would not know, offline, which one a branch means.
        found = hub.snapshot_download(
            name, revision=revision, token=token, allow_patterns=files, etag_timeout=_TIMEOUT_S
        )
        if Path(found).name != info.sha:
            raise HubError(f"{shown}: has changed in this moment; try once more")
    return Path(found)


def upload_folder(
    folder: Path,
    name: str,
    *,
    private: bool = False,
    token: str | None = None,
    message: str = "Upload a text classifier",
) -> str:
    """Upload a folder's files into a repository, which is made where there is none.

    Args:
        folder: Holds the files, and nothing else.
        name: The repository, `user/name`.
        private: Make a new repository private; one that exists stays as it is.
        token: Of an account that may write; by default that of `hf auth login` or HF_TOKEN.
        message: Of the commit.

    Returns:
        The address of the repository's page.

    Raises:
        HubError: The hub cannot be reached, or refuses.
    """
    _check_name(name)
    hub = _huggingface_hub()
    with _told(name, _WRITTEN), _quiet():
        if hub.constants.HF_HUB_OFFLINE:
            raise hub.errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
        api = hub.HfApi(token=token)
        page = api.create_repo(name, private=private or None, exist_ok=True)
        api.upload_folder(repo_id=page.repo_id, folder_path=folder, commit_message=message)
    return str(page)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise HubError(
            f"{ascii(name)[:120]}: not the name of a repository; expected {SCHEME}user/name, "
            "perhaps with @revision behind it"
        )


def _huggingface_hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise HubError(
            "the hub needs the package huggingface_hub: pip install 'textcls-tune[hub]'"
        ) from error
    return huggingface_hub


def _patterns() -> list[str]:
    return [f"*{kind}" for kind in _KINDS]


def _checked_files(name: str, siblings: Sequence[Any]) -> list[str]:
    """Return the names of a classifier's files; raise HubError where they are too many or large."""
    wanted = [each for each in siblings if _is_wanted(each.rfilename)]
    if len(wanted) > _MOST_FILES:
        raise HubError(f"{name}: has {len(wanted):,} files; at most {_MOST_FILES:,} make sense")
    sizes = [each.size for each in wanted]
    if any(not isinstance(size, int) or size < 0 for size in sizes):
        raise HubError(f"{name}: the hub does not say how large its files are")
    if (total := sum(sizes)) > MOST_BYTES:
        raise HubError(
            f"{name}: its files have {total:,} bytes; a classifier has at most {MOST_BYTES:,}"
        )
    names = [each.rfilename for each in wanted]
    if not {"bundle.json", "ensemble.json"} & set(names):
        raise HubError(f"{name}: holds no classifier of textcls-tune, bundle.json is missing")
    return names


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        path.suffix in _KINDS
        and len(path.parts) <= 2
        and ".." not in path.parts
        and name.isprintable()
        and not set(name) & set("*?[]")  # they would mean more files than one
    )


@contextmanager
def _told(name: str, done: str) -> Iterator[None]:
    """Turn whatever goes wrong with the hub into one message."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        _raise_told(name, done, error)


def _raise_told(name: str, done: str, error: Exception) -> NoReturn:
    errors = _huggingface_hub().errors
    status = getattr(getattr(error, "response", None), "status_code", None)
    login = "`hf auth login` or HF_TOKEN gives one"
    if isinstance(error, errors.GatedRepoError):
        why = f"access must be asked for on its page, and a token is needed; {login}"
    elif status in (401, 403) and not isinstance(error, errors.RepositoryNotFoundError):
        why = f"the hub refuses the token, or there is none that may; {login}"
    elif isinstance(error, errors.RepositoryNotFoundError):
        why = f"there is no such repository, or it is private and needs a token; {login}"
    elif isinstance(error, errors.RevisionNotFoundError):
        why = "there is no such revision in the repository"
    elif isinstance(error, errors.OfflineModeIsEnabled):
        why = "HF_HUB_OFFLINE is set"
    elif isinstance(error, errors.LocalEntryNotFoundError):
        why = "HF_HUB_OFFLINE is set, and the hub's cache on this machine does not hold it"
    elif status is not None:
        why = f"the hub answers with the status {status}"
    else:
        why = _unexplained(done, f"{type(error).__name__}: {_first_line(error)}")
    raise HubError(f"{SCHEME}{name}: cannot be {done}: {why}") from error


def _unexplained(done: str, reason: str) -> str:
    """Say what an error without a status of the hub means for what was being done."""
    if done != _WRITTEN:
        return (
            f"the hub cannot be reached ({reason}); HF_HUB_OFFLINE=1 takes the copy of an earlier "
            "download"
        )
    if "xet-write-token" in reason:
        return (
            f"the hub has no Xet storage for large files, or it does not answer ({reason}); "
            "HF_HUB_DISABLE_XET=1 uploads them without it"
        )
    if reason.startswith("ValueError"):  # huggingface_hub's for what LFS answers
        return f"the hub does not take a file ({reason})"
    return f"the hub cannot be reached ({reason})"


def _first_line(error: Exception) -> str:
    lines = one_line(str(error)).strip()
    return lines[:200] or "no reason given"


@contextmanager
def _quiet() -> Iterator[None]:
    """Show the hub's progress bars at a terminal only."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
