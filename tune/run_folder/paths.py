"""Name every file of a run folder, once.

`runs/NAME/` is what a search leaves behind. Everything that another process may read while the
search runs is written beside and renamed, so that a reader sees the old file or the new one.
"""

import errno
import fcntl
import json
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tune.exceptions import MissingRunError, RunFolderError, UnbegunRunError
from tune.run_folder import _object_store as object_store
from tune.run_folder import atomic
from tune.run_folder._object_store import LEASE, RemoteStore, is_address
from tune.run_folder._store import LOCAL, Store
from tune.run_folder.trial_folder import TrialFolder, is_kept
from tune.study import databases

_LOCKED = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""Errors of flock that mean that another process holds the lock."""
_EARLY = {
    "trials",
    ".lock",
    object_store.SESSION,
    "search.log",
    "space.yaml",
    "environment.json",
    "study.journal",
    "previous",
}
"""What a search leaves that is killed before its first trial, temporary files apart."""

EVALUATE = "evaluate"
"""Content of the stop file that has trials without a rung evaluated before they end."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """`runs/NAME/`: the paths of one search."""

    root: Path
    store: Store = LOCAL
    """Where it is kept as well; of a run in an object store, `root` is the copy here."""

    def here(self) -> "RunFolder":
        """Return the same folder for the machine that asks, where a copy may lie elsewhere."""
        return RunFolder(*self.store.here(self.root))

    def local(self, path: Path) -> Path:
        """Return a file of this folder, fetched from the store if need be.

        Args:
            path: Where it lies on this machine.

        Returns:
            The same path; nothing lies there where the store lacks the file too.

        Raises:
            OSError: The store does not answer.
        """
        self.store.fetch(path)
        return path

    def publish(self, path: Path) -> None:
        """Store a file of this folder, where there is a store.

        Args:
            path: Where it lies on this machine.

        Raises:
            OSError: The store does not answer.
        """
        self.store.publish(path)

    def begin_session(self) -> str:
        """Take this run for this process, before its first trial.

        Returns:
            A word for the workers, by which they know which copy is theirs; empty without copies.
        """
        return self.store.begin_session(self.database if self.database.exists() else self.journal)

    def remove(self, path: Path) -> None:
        """Delete a file of this folder here and, in the background, in the store.

        Args:
            path: Where it lies on this machine; it may be missing.
        """
        path.unlink(missing_ok=True)
        self.store.remove_later(path)

    def tidy(self, keep: Mapping[int, set[int] | None]) -> None:
        """Delete what a killed search left: checkpoints, trials and files that were half written.

        Args:
            keep: the rungs whose checkpoints each trial keeps, by its number; None for all of
                them. The folder of a trial that is not named goes: nobody knows what it trained.
        """
        for path in self.root.glob("trials/*/"):
            if not path.name.isdecimal():
                continue  # not ours
            if int(path.name) not in keep:
                shutil.rmtree(path)
            elif (rungs := keep[int(path.name)]) is not None:
                TrialFolder(path).tidy(rungs)
        inside = [*self.root.glob("trials/*/"), *self.root.glob("confirm/*/")]
        for folder in (self.root, self.reruns.parent, *inside):
            atomic.remove_temporaries(folder)
        # The last first: a worker may take a trial up amid this (`RemoteStore.prune`).
        for path in reversed(self.store.stored_below(self.root / "trials")):
            if not is_kept(path.relative_to(self.root).as_posix(), keep):
                self.store.remove_later(path)

    def ask_to_stop(self, *, evaluate: bool = False) -> None:
        """Have all trials that run end; they look now and then.

        Args:
            evaluate: Whether a trial that has reached no rung is evaluated where it stands.
        """
        if not self.stop.exists():
            if evaluate:
                atomic.write_text(self.stop, EVALUATE)
            else:
                self.stop.touch()
            self.publish(self.stop)

    def go_on(self) -> None:
        """Take back `ask_to_stop`."""
        if self.stop.exists():
            self.stop.unlink(missing_ok=True)
            try:  # at once, or trials that start now would end
                self.store.remove(self.stop)
            except OSError:
                self.store.remove_later(self.stop)

    def asked_to_stop(self) -> bool:
        """Tell whether running trials have to end."""
        return self.stop.exists() or self.store.asked_to_stop()

    @property
    def place(self) -> str:
        """Where the run is kept: its address in an object store, or this machine and the folder."""
        return f"{platform.node()} {self.root}" if self.store is LOCAL else str(self.store)

    @property
    def name(self) -> str:
        """The name of the run, which is also the name of its study."""
        return self.root.name

    @property
    def space(self) -> Path:
        """The search as it ran, every default written out."""
        return self.root / "space.yaml"

    @property
    def environment(self) -> Path:
        """Versions, seed, git revision, machine, data, command line."""
        return self.root / "environment.json"

    @property
    def journal(self) -> Path:
        """The Optuna study: the record of truth."""
        return self.root / "study.journal"

    @property
    def database(self) -> Path:
        """Names the database that holds the study instead of the journal, and the study in it."""
        return self.root / "study.json"

    @property
    def study(self) -> Path | str:
        """Where the study lies: the journal's path, or the URL of a database.

        Raises:
            TextclsError: The folder names a database that the user has not (`databases`), or its
                file is damaged.
        """
        if not self.database.exists():
            return self.journal
        try:
            url = str(json.loads(self.database.read_text(encoding="utf-8"))["storage"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{self.database}: damaged ({error})") from error
        databases.check_allowed(url, self.database)
        return url

    @property
    def study_name(self) -> str:
        """The study's name as it was given: the folder may have been renamed or copied since."""
        try:
            if self.database.exists():
                line = self.database.read_bytes()
            else:
                with self.journal.open("rb") as file:
                    line = file.readline()
            return str(json.loads(line)["study_name"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return self.name

    @property
    def leaderboard(self) -> Path:
        """A row per trial."""
        return self.root / "leaderboard.csv"

    @property
    def result(self) -> Path:
        """The state of the search and its winner."""
        return self.root / "result.json"

    @property
    def best(self) -> Path:
        """The winner as a classifier."""
        return self.root / "best"

    @property
    def previous(self) -> "PreviousFolder":
        """The winner of the earlier run that this one started from, where it did."""
        return PreviousFolder(self.root / "previous")

    @property
    def learnt_texts(self) -> Path:
        """Hashes of the texts that the winner was trained and chosen on."""
        return self.root / "learnt_texts.npy"

    @property
    def next(self) -> Path:
        """The search that this one suggests, as YAML."""
        return self.root / "next.yaml"

    @property
    def reruns(self) -> Path:
        """What the best trials reached with fresh seeds."""
        return self.root / "confirm" / "runs.json"

    def rerun(self, number: int, seed: int) -> TrialFolder:
        """Return the folder of a trial's configuration trained with another seed.

        Args:
            number: The trial's, from 0.
            seed: The fresh seed.
        """
        return TrialFolder(self.root / "confirm" / f"{number}-{seed}", self.store)

    @property
    def retrained(self) -> TrialFolder:
        """The folder of the winner trained on train and validation together."""
        return TrialFolder(self.root / "confirm" / "retrained", self.store)

    @property
    def ensemble(self) -> Path:
        """The best trials together as one classifier."""
        return self.root / "ensemble"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.root / "report.html"

    @property
    def track(self) -> Path:
        """What `--track` writes for other tools."""
        return self.root / "track"

    @property
    def log(self) -> Path:
        """What Ray, Optuna and other libraries had to say."""
        return self.root / "search.log"

    @property
    def scratch(self) -> Path:
        """Ray's own files while the search runs; removed at its end."""
        return self.root / ".ray"

    @property
    def stop(self) -> Path:
        """Exists when trials that run have to end at once; they look now and then."""
        return self.root / ".stop"

    def heartbeat(self, number: int) -> Path:
        """Return the file in which a running trial writes how far it is.

        Args:
            number: The trial's, from 0.
        """
        return self.scratch / "heartbeats" / str(number)

    def trial(self, number: int) -> TrialFolder:
        """Return the folder of one trial, which need not exist.

        Args:
            number: The trial's, from 0.
        """
        return TrialFolder(self.root / "trials" / str(number), self.store)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock this folder against a second search; a holder that died holds it no longer.

        Raises:
            RunFolderError: Another process holds it; the message names the process.
        """
        lock = self.root / ".lock"
        with lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _LOCKED:
                    raise RunFolderError(
                        f"{lock}: cannot be locked ({error.strerror}), so two searches could write "
                        "to one folder; choose a --runs-dir on a file system with locks (flock)"
                    ) from error
                file.seek(0)
                holder = file.read().strip() or "another process"
                message = f"{self.root}: in use by {holder}; wait for it to end, or stop it"
                raise RunFolderError(message) from None
            if not lock.exists() or not os.path.samestat(lock.stat(), os.fstat(file.fileno())):
                message = f"{self.root}: removed by another search in this moment; start again"
                raise RunFolderError(message)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield


@dataclass(frozen=True, slots=True)
class PreviousFolder:
    """`runs/NAME/previous/`: what a search keeps of the run that it started from."""

    root: Path

    @property
    def about(self) -> Path:
        """Which run it was, and its data; exists once everything else does."""
        return self.root / "run.json"

    @property
    def best(self) -> Path:
        """A copy of its winner."""
        return self.root / "best"

    @property
    def learnt_texts(self) -> Path:
        """A copy of its file of that name; missing where it had none."""
        return self.root / "learnt_texts.npy"


def default_name(space: Path, now: datetime) -> str:
    """Return a run's name when none is given.

    Args:
        space: The search file, or what stands for it.
        now: The time, to the second; local time, since people read it.

    Returns:
        Such as "gru-20260131-142500".
    """
    return f"{space.stem}-{now:%Y%m%d-%H%M%S}"


RunsDir = Path | str
"""Where runs lie: a folder, or the address of one in a store."""


def runs_dir(text: str) -> RunsDir:
    """Parse `--runs-dir`.

    Args:
        text: A folder, or the address of one in an object store, such as `s3://bucket/runs`.

    Returns:
        A path, or the address as it is.
    """
    return text if is_address(text) else Path(text)


def create(runs_dir: RunsDir, name: str) -> RunFolder:
    """Create the folder of a new run.

    Args:
        runs_dir: The folder or object store with the runs.
        name: The run's: letters, digits, `.`, `_`, `-`, a letter or a digit first.

    Returns:
        The folder, which exists and is empty.

    Raises:
        RunFolderError: The name is not a plain name, is taken, or cannot be written.
    """
    store: Store = LOCAL
    if isinstance(runs_dir, str):
        remote = _remote(object_store.joined(runs_dir, _checked(name)))
        _check_free(remote, name)
        if not _held(RunFolder(remote.root)):
            remote.clear_copy()
        runs_dir, store = remote.root.parent, remote
    root = (runs_dir / _checked(name)).absolute()
    try:
        root.mkdir(parents=True, exist_ok=_never_began(root))
        (root / "trials").mkdir(exist_ok=True)
    except FileExistsError:
        message = f"{root} exists already: choose another --name, or go on with --resume {name}"
        raise RunFolderError(message) from None
    except OSError as error:
        raise RunFolderError(f"{root}: cannot be written ({error.strerror})") from error
    return RunFolder(root, store)


def _check_free(remote: RemoteStore, name: str) -> None:
    """Raise `RunFolderError` where a store has a run of that name, something else, or no answer."""
    try:
        taken, names = remote.exists(), remote.names()
    except OSError as error:
        raise RunFolderError(f"{remote}: cannot be read ({error})") from error
    if taken:
        message = f"{remote} exists already: choose another --name, or go on with --resume {name}"
        raise RunFolderError(message)
    known = {*_EARLY, LEASE, object_store.STOP}
    if strange := [each for each in names if each.partition("/")[0] not in known]:
        message = (
            f"{remote} holds other files than a run's, such as {strange[0]}: choose another --name"
        )
        raise RunFolderError(message)


def named(runs_dir: RunsDir, name: str) -> RunFolder:
    """Return the folder of a run of some name, whether it exists or not.

    Args:
        runs_dir: The folder or object store with the runs.
        name: Letters, digits, dots, underscores and hyphens; no path.

    Raises:
        RunFolderError: The name is not a plain name, or the store does not answer.
    """
    if isinstance(runs_dir, str):
        return _taken(object_store.joined(runs_dir, _checked(name)))
    return RunFolder((runs_dir / _checked(name)).absolute())


_UNBEGUN = "{}: the search is still preparing texts and vectors and has no trial yet"


def find(runs_dir: RunsDir, run: str) -> RunFolder:
    """Find an existing run.

    Args:
        runs_dir: The folder or object store with the runs.
        run: Its folder, its address, or its name within `runs_dir`.

    Returns:
        The run; of one in a store, its copy here is brought up to date first.

    Raises:
        UnbegunRunError: A search is there, but has not begun with its trials yet.
        MissingRunError: There is no such run.
        RunFolderError: It cannot be read.
    """
    if is_address(run) or (isinstance(runs_dir, str) and _NAME.fullmatch(run)):
        address = run if is_address(run) else object_store.joined(str(runs_dir), run)
        folder = _taken(address)
        if began(folder):
            return folder
        if folder.store.held_by_another() or _held(folder):
            raise UnbegunRunError(_UNBEGUN.format(folder.store))
        raise MissingRunError(f"no run at {folder.store}: a run folder holds a study.journal")
    runs_dir = Path(runs_dir)
    candidates = [Path(run), *([runs_dir / run] if _NAME.fullmatch(run) else [])]
    for root in candidates:
        folder = RunFolder(root.absolute())
        try:
            found = folder.journal.is_file() or folder.database.is_file()
            if _held(folder) and not began(folder):
                raise UnbegunRunError(_UNBEGUN.format(shown(folder.root)))
        except OSError:  # such as a name that is too long
            continue
        if found:
            _check_regular(folder)
            return folder
    places = " or ".join(str(path) for path in candidates)
    raise MissingRunError(f"no run at {places}: a run folder holds a study.journal")


def _check_regular(folder: RunFolder) -> None:
    """Raise `RunFolderError` for a pipe or a device in a run folder: reading it might never end."""
    previous = folder.previous
    folders = (folder.root, folder.best, folder.reruns.parent, folder.ensemble)
    for inside in (*folders, previous.root, previous.best):
        for path in inside.iterdir() if inside.is_dir() else ():
            if path.exists() and not path.is_file() and not path.is_dir():
                raise RunFolderError(f"{path}: must be a file, but is a pipe or a device")


def _remote(address: str) -> RemoteStore:
    object_store.check_store(address)
    return object_store.remote_store(address)


def _taken(address: str) -> RunFolder:
    """Return a run in a store, its copy brought up to date unless this machine searches there."""
    remote = _remote(address)
    folder = RunFolder(remote.root, remote)
    try:
        if not _held(folder):
            remote.take()
    except OSError as error:
        raise RunFolderError(f"{remote}: cannot be read ({error})") from error
    return folder


def _held(folder: RunFolder) -> bool:
    """Tell whether a process of this machine searches there."""
    if not (folder.root / ".lock").exists():
        return False
    try:
        with (folder.root / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def shown(path: Path) -> str:
    """Return a path as a person would type it here.

    Args:
        path: An absolute path.

    Returns:
        Relative where it lies below the current folder, else as it is.
    """
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def began(folder: RunFolder) -> bool:
    """Tell whether a run has a complete study, one with its format (`study.create_study`).

    Args:
        folder: The run; what its store holds must be here.

    Returns:
        False where the search was killed before its study was complete: it then begins anew.
    """
    if folder.database.is_file():  # written once the study is complete
        return True
    try:
        with folder.journal.open("rb") as file:
            return any(b'"format":' in line for line in file)
    except FileNotFoundError:
        return False


def _never_began(root: Path) -> bool:
    """Tell whether a folder is that of a search which was killed before its first trial."""
    return (
        root.is_dir()
        and not began(RunFolder(root))
        and all(
            (path.name in _EARLY and (path.name == "previous" or not _is_filled(path)))
            or atomic.is_temporary(path)
            for path in root.iterdir()
        )
    )


def _is_filled(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


def _checked(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise RunFolderError(
        f"--name {name!r}: a run's name has up to 128 letters, digits, '.', '_' and '-', "
        "and starts with a letter or a digit"
    )
