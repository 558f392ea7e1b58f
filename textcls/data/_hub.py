"""Data sets of the Hugging Face hub, or of its local cache when the hub cannot be reached."""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from textcls.data._faults import listed
from textcls.data._local import split_of
from textcls.data.formats.hf_builders import quiet, reason
from textcls.exceptions import DataError

ALIASES = {"ag_news": "fancyzhx/ag_news"}
PROBE_S = 3.0
"""How long the hub may take to answer; then it is unreachable (`datasets` would try for 23 s)."""

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_LONGEST_NAME = 96
_NETWORK = ("httpx", "httpcore", "requests", "urllib3", "aiohttp")


@dataclass(frozen=True, slots=True)
class HubSet:
    """A data set of the hub, loaded: a `datasets.Dataset` for each of our splits."""

    repository: str
    splits: dict[str, Any]
    notices: tuple[str, ...]

    def files(self) -> list[tuple[str, Path]]:
        """Return the Arrow files that hold the rows, each with its role."""
        return [
            (split, Path(file["filename"]))
            for split, dataset in self.splits.items()
            for file in dataset.cache_files
        ]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Neither the hub nor the local cache gives the set; `trouble` says why, as a clause."""

    trouble: str


def is_hub_name(name: str) -> bool:
    """Tell whether the hub could know a data set by this name."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def load_hub_set(name: str, subset: str | None) -> HubSet | Unreachable:
    """Load a data set, from the local cache where the hub cannot be reached.

    Args:
        name: Its name on the hub, or a short one of `ALIASES`.
        subset: Its configuration, where it has several.

    Returns:
        Its splits; or, where neither hub nor cache has it, why the hub cannot be reached.

    Raises:
        DataError: The hub does not know the set, needs a subset named or has no train split for it.
    """
    repository = ALIASES.get(name, name)
    loaded, trouble = None, _unreachable(repository)
    if trouble is None:
        loaded, trouble = _load_online(repository, subset)
    notices = []
    if loaded is None:
        loaded = _load_cached(repository, subset)
        if loaded is None:
            return Unreachable(_missing(repository, subset, trouble))
        notices.append(f"{trouble}: {repository} comes from the local cache")
    splits, aside = _our_splits(repository, loaded)
    return HubSet(repository, splits, (*notices, *aside))


def _load_online(repository: str, subset: str | None) -> tuple[Any, str | None]:
    """Load over the network; return the set, or None and what is wrong with the network."""
    import datasets

    try:
        with quiet(bars=sys.stderr.isatty()):
            return datasets.load_dataset(repository, subset), None
    except datasets.exceptions.DatasetNotFoundError as error:
        raise DataError(
            f"{repository}: no such file or folder here, and no such data set on the hub "
            "(or it is private or gated, and needs a token)"
        ) from error
    except Exception as error:
        if _is_network_trouble(error):
            return None, f"the hub cannot be reached ({reason(error)})"
        raise DataError(f"{repository}: {_advice(error)}") from error


def _load_cached(repository: str, subset: str | None) -> Any:
    """Load what an earlier run has left in the cache; None where it left nothing that fits."""
    import datasets

    try:
        with quiet(), _offline():
            return datasets.load_dataset(repository, subset)
    except Exception:  # not there, another subset, damaged: as good as not there
        return None


def _missing(repository: str, subset: str | None, trouble: str | None) -> str:
    import datasets

    known = f"{repository} ({subset})" if subset else repository
    cache = datasets.config.HF_DATASETS_CACHE
    return f"{trouble}, and the local cache ({cache}) does not hold {known}"


def _unreachable(repository: str) -> str | None:
    """Return why the hub cannot be reached, or None where it answers. Takes PROBE_S at most.

    In a thread of its own, since looking up a host name heeds no timeout.
    """
    import datasets

    if datasets.config.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set"
    answer: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_probe, args=(repository, answer), daemon=True).start()
    try:
        trouble = answer.get(timeout=PROBE_S)
    except Empty:
        trouble = f"no answer within {PROBE_S:g} s"
    return None if trouble is None else f"the hub cannot be reached ({trouble})"


def _probe(repository: str, answer: SimpleQueue[str | None]) -> None:
    """Ask the hub for the data set; that it knows none by that name is an answer, too."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        HfApi().dataset_info(repository, timeout=PROBE_S)
    except (RepositoryNotFoundError, HFValidationError):
        answer.put(None)
    except Exception as error:  # no network, a proxy in between, a hub in trouble
        answer.put(reason(error))
    else:
        answer.put(None)


@contextmanager
def _offline() -> Iterator[None]:
    """Let `datasets` look into its cache at once instead of trying the network first."""
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _is_network_trouble(error: BaseException | None) -> bool:
    """Tell whether a connection lies at the bottom of an error, whichever library made it."""
    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError):
            return True
        if type(error).__module__.startswith(_NETWORK) or _status(error) >= 500:
            return True
        error = error.__cause__ or error.__context__
    return False


def _status(error: BaseException) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _advice(error: Exception) -> str:
    """Say what `datasets` says, and which setting answers it."""
    message = " ".join(str(error).split())
    if "config" in message.lower():
        return f"{message} (the configuration is named by data.subset)"
    return f"cannot be loaded from the hub: {message or type(error).__name__}"


def _our_splits(repository: str, loaded: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Pick train, test and validation, and say what is left aside."""
    splits: dict[str, Any] = {}
    aside = []
    for name, dataset in loaded.items():
        split = split_of(name)
        if split is None or split in splits:
            aside.append(name)
        else:
            splits[split] = dataset
    if "train" not in splits:
        raise DataError(f"{repository}: no train split; its splits are {listed(list(loaded))}")
    notice = f"{repository}: left aside {listed(aside)}, not needed for train, test or validation"
    return splits, (notice,) if aside else ()
