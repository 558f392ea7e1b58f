"""Show the sampler of a new search the trials of an earlier one (`--warm-start RUN`).

The earlier trials come with their values, so the sampler need not begin at random. They are not
trials of the new search: they count for nothing else and win nothing.
"""

from dataclasses import dataclass

from tune.analysis import run_data
from tune.config import optuna_space
from tune.config.parameters import SECTIONS
from tune.config.search_file import SearchFile
from tune.exceptions import RunFolderError, SearchError
from tune.formatting import counted
from tune.run_folder import documents
from tune.run_folder.paths import RunFolder
from tune.study.records import State, TrialRecord

_TELLING = (State.COMPLETE, State.PRUNED)


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The trials of an earlier search that fit the new one."""

    name: str
    milestones: tuple[float, ...]
    records: tuple[TrialRecord, ...]
    left_out: int
    """Trials with a value whose parameters lie outside of the new space."""
    differing: tuple[str, ...]
    """Fixed keys with other values there, so that its values may mislead."""

    def __str__(self) -> str:
        text = f"Warm start from {self.name}: {counted(len(self.records), 'trial')}"
        if self.left_out:
            text += f"; {self.left_out} lie outside of this space and were left out"
        if self.differing:
            text += f"; it differs in {', '.join(self.differing)}"
        return text + "."


def read_warm_start(folder: RunFolder, config: SearchFile, run: RunFolder) -> WarmStart:
    """Read the trials of `folder` that fit a search.

    Args:
        folder: The earlier run.
        config: The new search.
        run: The folder of the new search.

    Returns:
        The trials that fit the new space, how many do not, and in which settings the searches
        differ.

    Raises:
        SearchError: Their values mean something else: another metric, other data.
    """
    told = run_data.load_run(folder)
    if told.metric != config.search.metric:
        raise SearchError(
            f"--warm-start {told.folder.name}: its metric is {told.metric}, but this search's is "
            f"{config.search.metric}, so the values cannot be compared"
        )
    before, now = (_fingerprints(each) for each in (folder, run))
    if before != now:
        raise SearchError(
            f"--warm-start {told.folder.name}: it ran on other data ({', '.join(before) or 'none'} "
            f"recorded, {', '.join(now)} here), so the values cannot be compared"
        )
    worth = [record for record in told.records if record.state in _TELLING and record.values]
    fitting = [record for record in worth if optuna_space.fits_space(told.params(record), config)]
    differing = (
        f"{section}.{key}"
        for section in SECTIONS
        for key, value in getattr(config, section).model_dump().items()
        if value != getattr(getattr(told.config, section), key)
    )
    return WarmStart(
        told.folder.name,
        told.milestones,
        tuple(fitting),
        len(worth) - len(fitting),
        tuple(differing),
    )


def _fingerprints(folder: RunFolder) -> list[str]:
    try:
        content = documents.read_environment(folder.environment)
        return sorted({str(corpus["data_fingerprint"])[:12] for corpus in content["corpora"]})
    except (OSError, RunFolderError, KeyError) as error:
        raise SearchError(f"{folder.environment}: cannot be read ({error})") from error
