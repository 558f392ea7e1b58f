"""Find a classifier by what a person calls it, and load it for predicting."""

from pathlib import Path

from textcls.exceptions import BundleError
from textcls.hub.repositories import download_repository, is_hub_address, split_address
from textcls.runtime.bundle_files import DESCRIPTION, ENSEMBLE, read_bundle, read_members
from textcls.runtime.predictor import EnsemblePredictor, Predictor

BEST = "best"
RUNS_DIR = "runs"


def find_bundle(name: str | Path, runs_dir: str | Path = RUNS_DIR) -> Path:
    """Return the folder of the classifier that a name means.

    Args:
        name: A classifier's folder, its `bundle.json`, a run folder (whose `best/` is taken), the
            name of a run below `runs_dir`, or the address of a repository of the Hugging Face hub,
            `hf://user/name` or `hf://user/name@revision`, which is downloaded.
        runs_dir: Where runs lie.

    Raises:
        BundleError: There is none; the message says where it was looked for.
        HubError: The repository cannot be downloaded.
    """
    if is_hub_address(str(name)):
        return download_repository(*split_address(str(name)))
    try:
        return _find(Path(name), Path(runs_dir))
    except (OSError, ValueError) as error:  # a name that is too long, or with a zero byte
        raise BundleError(f"{ascii(str(name))[:200]}: cannot be looked for: {error}") from error


def _find(given: Path, runs_dir: Path) -> Path:
    if given.name in (DESCRIPTION, ENSEMBLE) and given.is_file():
        return given.parent
    places = [given, given / BEST]
    if not given.is_absolute() and len(given.parts) == 1:
        places += [runs_dir / given, runs_dir / given / BEST]
    for place in places:
        if _is_bundle(place):
            return place
    run = next((p for p in (given, runs_dir / given) if _is_run(p)), None)
    if run is not None:
        if (run / "result.json").exists():
            raise BundleError(
                f"{run}: the run has no classifier; its search found no winner, or searched "
                "something else than classifiers"
            )
        raise BundleError(
            f"{run}: the run has no classifier yet; {BEST}/ is written when its search ends"
        )
    if given.is_dir() or len(places) == 2:
        raise BundleError(f"{given}: not a classifier folder, {DESCRIPTION} is missing")
    raise BundleError(
        f"{given}: not a classifier folder, {DESCRIPTION} is missing, and {runs_dir} holds no run "
        "of that name"
    )


def load_predictor(folder: Path) -> Predictor | EnsemblePredictor:
    """Load the classifier or the ensemble in a folder.

    Args:
        folder: What a search or `TextClassifier.save` wrote (`find_bundle` finds it by a run's
            name).

    Raises:
        BundleError: It is missing, damaged, of another format, or makes no sense.

    Example::

        load_predictor(find_bundle("my-run")).probabilities(["The striker scored twice"])
    """
    names = read_members(folder)
    if names is None:
        return Predictor(read_bundle(folder))
    members = [Predictor(read_bundle(folder / name)) for name in names]
    if len({member.label_names for member in members}) > 1:
        raise BundleError(f"{folder / ENSEMBLE}: the members do not have the same classes")
    return EnsemblePredictor(members)


def _is_bundle(place: Path) -> bool:
    return (place / DESCRIPTION).exists() or (place / ENSEMBLE).exists()


def _is_run(place: Path) -> bool:
    return (place / "study.journal").exists() or (place / "space.yaml").exists()
