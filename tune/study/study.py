"""The record of truth: an Optuna study, in a journal file or a database.

Every report and every end of a trial is on disk when the call returns. Only the search's own
process writes; anyone may read while it runs, `optuna-dashboard` included. What a trial reported
at a rung lies in its user attributes; the metric alone is also an intermediate value, at a step
counted in thousandths of an epoch, because Optuna's steps are whole numbers and a batch size may
be searched.
"""

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tune.exceptions import SearchError
from tune.study import optuna_private
from tune.study.journal import Place, Storage, check_file
from tune.study.records import CUT_OFF_MESSAGE, OUT_OF_MEMORY, Proposal, State, TrialRecord

FORMAT = 1
_INHERITED = "inherited"
"""Marks the trials of another search, which only the sampler sees."""
_OURS = "textcls-tune"
"""Marks a study as one of this project's from its beginning."""
_STOPPED = "stopped"
"""The rung at which the scheduler stopped a trial."""
WORST = 0.0  # finite, so that the sampler learns from it; the metrics are shares of correct texts

Suggest = Callable[[optuna.Trial], dict[str, Any]]


class SearchStudy:
    """The trials of one search, in the order in which they were asked for."""

    def __init__(self, study: optuna.Study, secure: Callable[[], None] = lambda: None) -> None:
        self._study = study
        self._secure = secure
        self._live: dict[int, optuna.Trial] = {}
        self._waiting: deque[FrozenTrial] | None = None
        """The trials that wait, the next first; None until they are looked up."""

    @property
    def metric(self) -> str:
        """The metric that the search maximises."""
        return str(self._study.user_attrs["metric"])

    @property
    def cost(self) -> str | None:
        """The cost that the search minimises beside the metric; None where there is none."""
        found = self._study.user_attrs.get("cost")
        return None if found is None else str(found)

    @property
    def _bounded(self) -> bool:
        """Whether the metric is a share, so that a worst value is known."""
        return bool(self._study.user_attrs.get("bounded", True))

    @property
    def milestones(self) -> tuple[float, ...]:
        """The epochs of the rungs."""
        return tuple(self._study.user_attrs["milestones"])

    def enqueue(
        self,
        params: Mapping[str, Any],
        *,
        name: str | None = None,
    ) -> None:
        """Have these parameters tried before the sampler is asked again, in the order of calls.

        Args:
            params: Values by name; the sampler proposes what is missing.
            name: What the display calls the trial, such as the name of a configuration.
        """
        self._enqueue(params, {"name": name})

    def inherit(
        self,
        records: Sequence[TrialRecord],
        milestones: Sequence[float],
        distributions: Mapping[str, optuna.distributions.BaseDistribution],
    ) -> None:
        """Show the sampler trials of another search, which `records` and other methods leave out.

        Args:
            records: The trials.
            milestones: Epochs of that search's rungs.
            distributions: Optuna's distribution of each parameter.
        """
        for record in records:
            complete = record.state == State.COMPLETE
            steps = map(step_of, milestones)
            trial = optuna.trial.create_trial(
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                value=record.value if complete else None,
                params=record.params,
                distributions={name: distributions[name] for name in record.params},
                intermediate_values=dict(zip(steps, record.values, strict=False)),
                user_attrs={_INHERITED: True},
            )
            self._study.add_trial(trial)

    def ask(self, suggest: Suggest) -> Proposal:
        """Take the next enqueued parameters, or have the sampler propose some.

        Args:
            suggest: Asks an Optuna trial for each parameter of the space.

        Returns:
            The trial to run. It stands on the disk before it is returned, so that a search that is
            killed
            afterwards knows of it.
        """
        return self._proposal(self._next(), suggest)

    def ask_alike(
        self,
        suggest: Suggest,
        is_alike: Callable[[Mapping[str, Any]], bool],
        given: Mapping[str, Any],
        most: int,
    ) -> Proposal | None:
        """Take the next enqueued parameters of one kind, or have the sampler complete some.

        Args:
            suggest: Asks an Optuna trial for each parameter of the space.
            is_alike: Tells whether enqueued parameters, as Optuna stores them, are of the kind.
            given: Parameters of the kind, as Optuna stores them; the sampler proposes the others.
            most: Trials that are still to come: those that are enqueued are among them.

        Returns:
            The trial to run; None where no such one is enqueued and all that come are.
        """
        waiting = self._all_waiting()
        for trial in waiting:
            if is_alike(_asked_of(trial)):
                waiting.remove(trial)
                started = optuna_private.start_waiting_trial(self._study, trial)
                return self._proposal(started, suggest)
        if most <= len(waiting):
            return None
        return self._proposal(optuna_private.start_trial(self._study, given), suggest)

    def _proposal(self, trial: optuna.Trial, suggest: Suggest) -> Proposal:
        params = suggest(trial)
        self._secure()  # or a loss of power leaves a checkpoint of parameters that nobody knows
        self._live[trial.number] = trial
        attrs = trial.user_attrs
        continues = _earlier(trial)
        return Proposal(
            trial.number,
            params,
            attrs.get("name"),
            continues,
            attrs.get("origin", trial.number),
            tuple(self._chain_up_to(continues)),
        )

    def report(
        self, number: int, rung: int, metrics: Mapping[str, float], *, goes_on: bool = True
    ) -> None:
        """Record what a running trial reached at a rung, and whether it goes on from there.

        The value is written last and the report counts from then on, so that no kill parts it from
        the decision.

        Args:
            number: The trial's.
            rung: Counted from 0.
            metrics: By name; the study's own must be a finite number.
            goes_on: Whether the scheduler lets it go on.
        """
        trial = self._live[number]
        trial.set_user_attr(_rung_key(rung), dict(metrics))
        if not goes_on:
            trial.set_user_attr(_STOPPED, rung)
        trial.report(metrics[self.metric], step=step_of(self.milestones[rung]))
        self._secure()

    def end(self, number: int, state: State, message: str = "") -> TrialRecord:
        """Record how a running trial ended.

        Args:
            number: The trial's.
            state: How it ended.
            message: Why, for people; empty where there is nothing to say.

        Returns:
            Its record, as it is read back from the study.
        """
        trial = self._live.pop(number)
        if message:
            trial.set_user_attr("message", message)
        trial.set_user_attr("state", state.value)  # a trial that has it has its message
        self._tell(number, state)
        self._secure()
        return self.record(number)

    def end_cut_off(self) -> list[TrialRecord]:
        """Close the trials that a killed search left running, as interrupted.

        A trial whose end was being recorded at that moment gets the end that it had, and one that
        had been stopped at a rung or had reported the last one gets the end that follows.
        """
        closed = []
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._live[trial.number] = optuna_private.reopen_trial(self._study, trial)
            state = self._end_of(trial)
            unsaid = CUT_OFF_MESSAGE if state == State.INTERRUPTED else ""
            message = trial.user_attrs.get("message", unsaid)
            closed.append(self.end(trial.number, state, message))
        return closed

    def _end_of(self, trial: FrozenTrial) -> State:
        """Return the end of a trial whose search was killed before that was recorded."""
        if "state" in trial.user_attrs:
            return State(trial.user_attrs["state"])
        rungs = len(trial.intermediate_values)
        if rungs == len(self.milestones):
            return State.COMPLETE
        # Written before the value that it belongs to, so it may be there without it.
        if rungs > trial.user_attrs.get(_STOPPED, rungs):
            return State.PRUNED
        return State.INTERRUPTED

    def cut_off(self) -> list[int]:
        """Return the interrupted trials whose place no other trial has taken."""
        trials = self._study.get_trials(deepcopy=False)
        replaced = {trial.user_attrs.get("continues") for trial in trials}
        own = [trial for trial in trials if _INHERITED not in trial.user_attrs]
        interrupted = [trial for trial in own if _record(trial).state == State.INTERRUPTED]
        return [trial.number for trial in interrupted if trial.number not in replaced]

    def requeue(self, number: int) -> None:
        """Have an interrupted trial's parameters tried again, by a trial that takes its place.

        Args:
            number: The interrupted trial. The new one has its name and continues from its
                checkpoint.
        """
        trial = self._study.get_trials(deepcopy=False)[number]
        asked = _asked_of(trial)  # a kill may have come amid the asking
        attrs = {
            "name": trial.user_attrs.get("name"),
            "continues": number,
            "origin": trial.user_attrs.get("origin", number),
        }
        self._enqueue({**asked, **trial.params}, attrs)

    def record(self, number: int) -> TrialRecord:
        """Return the record of one trial as it is now.

        Args:
            number: The trial's, from 0.

        Raises:
            KeyError: There is no such trial.
        """
        return _record(optuna_private.read_trial(self._study, number))

    def records(self) -> list[TrialRecord]:
        """Return all trials that were started, by number."""
        trials = self._study.get_trials(deepcopy=False)
        return [
            _record(trial)
            for trial in trials
            if trial.state != TrialState.WAITING and _INHERITED not in trial.user_attrs
        ]

    def proposed(self) -> int:
        """Return how many trials were enqueued or started, without those that continue one."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(
            _INHERITED not in trial.user_attrs and "continues" not in trial.user_attrs
            for trial in trials
        )

    def waiting(self) -> int:
        """Count the enqueued trials that have not been started."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _next(self) -> optuna.Trial:
        """Start a trial that waits, or a new one.

        Those that continue an interrupted one come first: a grid may have more points than there
        are trials to come. Optuna itself would look for the next among all trials each time.
        """
        waiting = self._all_waiting()
        if waiting:
            return optuna_private.start_waiting_trial(self._study, waiting.popleft())
        return optuna_private.start_trial(self._study)

    def _all_waiting(self) -> deque[FrozenTrial]:
        if self._waiting is None:
            waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            waiting.sort(key=_turn)
            self._waiting = deque(waiting)
        return self._waiting

    def _chain_up_to(self, number: int | None) -> Iterator[int]:
        """Yield a trial's number and those of the trials that it continues."""
        while number is not None:
            yield number
            number = self.record(number).continues

    def _enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        self._waiting = None
        given = {key: value for key, value in attrs.items() if value is not None}
        self._study.enqueue_trial(dict(params), user_attrs=given)

    def _tell(self, number: int, state: State) -> None:
        if state == State.PRUNED:
            self._study.tell(number, state=TrialState.PRUNED)
        elif state == State.COMPLETE:
            self._study.tell(number, self.record(number).value)
        elif self._bounded and (
            state == State.DIVERGED or self.record(number).message.startswith(OUT_OF_MEMORY)
        ):
            self._study.tell(number, WORST)
        else:
            self._study.tell(number, state=TrialState.FAIL)


def create_study(
    place: Place,
    name: str,
    *,
    metric: str,
    milestones: Sequence[float],
    sampler: optuna.samplers.BaseSampler,
    bounded: bool = True,
    cost: str | None = None,
    owner: str | None = None,
    fill: Callable[[SearchStudy], None] = lambda _study: None,
) -> SearchStudy:
    """Start a study in a new journal file or in a database.

    A study without a format was interrupted before it was complete; it cannot be resumed, and in a
    database a new one replaces it.

    Args:
        place: The journal's path, or the URL of a database.
        name: The name of the study.
        metric: The metric that is maximised.
        milestones: Epochs of the rungs.
        sampler: Proposes the parameters.
        bounded: Whether the metric is a share, so that a worst value is known.
        cost: The cost that is minimised beside the metric; each report holds it.
        owner: A word that only the run folder knows. A kill between the last mark of a study in a
            database and the folder's note of it leaves a study that its folder does not know: the
            same owner may replace it, since none of its trials has begun.
        fill: Enqueues what is tried first.

    Returns:
        The study, complete and on disk.

    Raises:
        SearchError: The database has a study of that name.
    """
    storage = Storage(place)
    opened = storage.open()
    if isinstance(place, str):
        _make_room(opened, place, name, owner)
    study = optuna.create_study(
        study_name=name, storage=opened, sampler=sampler, direction="maximize"
    )
    study.set_user_attr(_OURS, True)  # first: without it a study is somebody else's
    study.set_user_attr("metric", metric)
    if owner is not None:
        study.set_user_attr("owner", owner)
    with warnings.catch_warnings():  # experimental in Optuna; its dashboard shows the name
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([metric])
    study.set_user_attr("milestones", list(milestones))
    if cost is not None:
        study.set_user_attr("cost", cost)
    if not bounded:  # what diverges then teaches the sampler nothing
        study.set_user_attr("bounded", False)
    made = SearchStudy(study, storage.secure)
    fill(made)
    study.set_user_attr("format", FORMAT)  # last: what has a format has the rest
    storage.secure()
    return made


def resume_study(
    place: Place, name: str, sampler: Callable[[int], optuna.samplers.BaseSampler]
) -> SearchStudy:
    """Open a study to continue it; the caller keeps every other writer out.

    A record of a journal that is cut off in the middle is removed: it never counted.

    Args:
        place: The journal's path, or the URL of a database.
        name: The name of the study.
        sampler: Makes one, given the number of trials so far: the state of its random numbers is
            not in the study, and starting it over would propose the first trials once more.

    Returns:
        The study, with the trials that it has.

    Raises:
        SearchError: The journal is damaged elsewhere, the database does not answer, or the study
            has another format.
    """
    storage = Storage(place)
    storage.mend()
    storage.secure()  # a killed process may not have; from here on checkpoints are deleted
    found = _load(storage, name)
    found.sampler = sampler(len(found.get_trials(deepcopy=False)))
    return SearchStudy(found, storage.secure)


def read_study(place: Place, name: str) -> SearchStudy:
    """Open a study to read it; nothing in it is changed.

    Args:
        place: The journal's path, or the URL of a database.
        name: The name of the study.

    Returns:
        The study as it was at this moment.

    Raises:
        SearchError: There is no such study, it is damaged or of another format.
    """
    return SearchStudy(_load(Storage(place), name))


def _make_room(opened: BaseStorage, url: str, name: str, owner: str | None) -> None:
    """Remove a study of ours that never began; refuse to touch any other.

    A kill between the creation of a study and its mark, a moment, leaves one that is refused.
    """
    held = {study.study_name: study for study in opened.get_all_studies()}
    if name not in held:
        return
    is_the_owners = owner is not None and held[name].user_attrs.get("owner") == owner
    if "format" in held[name].user_attrs and not (is_the_owners and _waits(opened, name)):
        raise SearchError(f"{url}: holds a study {name!r} already; choose another --name")
    if _OURS not in held[name].user_attrs:
        raise SearchError(
            f"{url}: holds a study {name!r} that this program has not made; choose another --name"
        )
    optuna.delete_study(study_name=name, storage=opened)


def _waits(opened: BaseStorage, name: str) -> bool:
    """Tell whether no trial of a study has begun."""
    trials = optuna.load_study(study_name=name, storage=opened).get_trials(deepcopy=False)
    return all(each.state == TrialState.WAITING for each in trials)


def _load(storage: Storage, name: str) -> optuna.Study:
    place = storage.place
    if isinstance(place, str):
        check_file(place)
    what = "journal" if isinstance(place, Path) else "database"
    try:
        study = optuna.load_study(study_name=name, storage=storage.open())
    except (
        KeyError, ValueError, TypeError, AttributeError, AssertionError, ArithmeticError,
        IndexError, RecursionError,
    ) as error:  # fmt: skip
        message = f"{place}: not the {what} of the search {name!r}, or damaged ({error!s:.300})"
        raise SearchError(message) from error
    if "format" not in study.user_attrs:
        message = "killed before its first trial: delete the folder, and search anew"
        raise SearchError(f"{place}: {message}")
    if (found := study.user_attrs.get("format")) != FORMAT:
        raise SearchError(f"{place}: format {found}, but this version reads format {FORMAT}")
    return study


def _record(trial: FrozenTrial) -> TrialRecord:
    attrs = trial.user_attrs
    open_states = (TrialState.RUNNING, TrialState.WAITING)
    ended = State(attrs.get("state", State.INTERRUPTED))
    steps = sorted(trial.intermediate_values)
    return TrialRecord(
        number=trial.number,
        state=State.RUNNING if trial.state in open_states else ended,
        params=trial.params,
        name=attrs.get("name"),
        continues=_earlier(trial),
        message=attrs.get("message", ""),
        curve=tuple(attrs[_rung_key(rung)] for rung in range(len(steps))),
        values=tuple(trial.intermediate_values[step] for step in steps),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def _asked_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters that a trial was enqueued with."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def _turn(trial: FrozenTrial) -> tuple[float, int]:
    """Sort trials that wait: those that continue one first, by the first of their chain."""
    return (trial.user_attrs.get("origin", math.inf), trial.number)


def _earlier(trial: FrozenTrial | optuna.Trial) -> int | None:
    """Return the trial that one continues, which was asked for before it.

    Raises `SearchError` where a journal says otherwise: a chain would have no end.
    """
    number = trial.user_attrs.get("continues")
    if number is None:
        return None
    if type(number) is int and 0 <= number < trial.number:
        return number
    raise SearchError(
        f"trial {trial.number} is recorded as the continuation of trial {number!r}, which is not "
        "an earlier trial: the study is damaged"
    )


def step_of(epoch: float) -> int:
    """Return the step at which Optuna knows what was reported at a rung.

    Args:
        epoch: Epochs trained, with their fraction.

    Returns:
        Thousandths of an epoch, rounded.
    """
    return round(1000 * epoch)


def _rung_key(rung: int) -> str:
    return f"rung {rung}"
