"""Read the JSON files of a run folder, which may be anybody's, into checked values.

Here a file's size, its depth and the type of every value that is used are checked, once; whatever
else it holds is left out, so the rest of the program trusts what it gets.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tune.exceptions import RunFolderError

MOST_BYTES = 32 << 20
"""A result with a confirmation takes some kilobytes, a trial's curve less."""

Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=100_000)]
Scalar = bool | int | Number | Text | None
Shares = dict[Text, Share]
Document = TypeVar("Document")


class _Part(BaseModel):
    """Strict, and without the keys that nobody knows.

    A default says that a key may be missing; it then is missing in what is returned, too.
    """

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _StandingPart(_Part):
    number: Count
    searched: Number
    values: list[Number]
    mean: Number
    deviation: Number
    interval: Annotated[list[Number], Field(min_length=2, max_length=2)] | None


class _ConfirmationPart(_Part):
    metric: Text
    standings: list[_StandingPart]
    p_value: Share | None


class _FallbackPart(_Part):
    kind: Text
    reason: Text
    epoch: Number | None = None


class _CostPart(_Part):
    parameters: Count
    bytes: Count
    operations_per_token: Number


class _PreferencePart(_Part):
    prefer: Literal["small", "fast"]
    metric: Text
    best: Count
    chosen: Count
    best_value: Number
    value: Number
    standard_error: Number
    candidates: Count
    best_cost: _CostPart
    cost: _CostPart
    reason: Text


class _Best(_Part):
    number: Count | None
    name: Text | None = None
    value: Number = 0.0
    test_accuracy: Share = 0.0
    val_accuracy: Share = 0.0
    params: dict[Text, Scalar | list[Scalar]] = Field(default_factory=dict)
    test_macro_f1: Share = 0.0
    val_macro_f1: Share = 0.0
    test_balanced_accuracy: Share = 0.0
    val_balanced_accuracy: Share = 0.0
    confirmation: _ConfirmationPart | None = None
    preference: _PreferencePart | None = None
    linear_alone: Shares | None = None
    fallback: _FallbackPart | None = None


class _EnsemblePart(_Part):
    trials: list[Count]
    test_accuracy: Share = 0.0
    val_accuracy: Share = 0.0


class _EndedByPart(_Part):
    gain_below: Number
    within_s: Number | None = None
    within_trials: Count | None = None
    expected_gain: Number | None = None
    reason: Text


class _PreviousPart(_Part):
    run: Text
    sentence: Text
    notes: list[Text] = Field(default_factory=list)
    split: Text | None = None
    measure: Text | None = None
    texts: Count | None = None
    left_out: Count | None = None
    old: Share | None = None
    new: Share | None = None
    difference: Number | None = None
    interval: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    p_value: Share | None = None
    test: Text | None = None
    only_old: Count | None = None
    only_new: Count | None = None
    better: Text | None = None


class PreviousRecord(_Part):
    """What a search keeps of the run that it started from, beside its winner."""

    run: Text
    data: Text | None = None
    data_fingerprint: Text | None = None


class _Result(_Part):
    state: Text
    metric: Text | None = None
    best: _Best | None = None
    trials: dict[Text, Count]
    seconds: Annotated[float, Field(ge=0, le=1e12)] | None = None
    ensemble: _EnsemblePart | None = None
    ended_by: _EndedByPart | None = None
    previous: _PreviousPart | None = None


class _Machine(_Part):
    host: Text | None = None
    platform: Text | None = None
    cpus: Count | None = None
    memory_gb: Number | None = None
    executable: Text | None = None


class _Resources(_Part):
    cpu: Number | None = None
    gpu: Number | None = None
    concurrent: Count | None = None
    notice: Text | None = None
    fuse: Count | None = None


class _VectorsPart(_Part):
    name: Text | None = None


class _SizesPart(_Part):
    words: Annotated[int, Field(ge=2, le=10**9)]
    dim: Annotated[int, Field(ge=1, le=10**6)]
    classes: Annotated[int, Field(ge=1, le=10**6)]
    vocabulary_bytes: Count
    features: Annotated[int, Field(ge=0, le=10**9)] | None = None
    linear_vocabulary_bytes: Count = 0


class _CorpusPart(_Part):
    embeddings: _VectorsPart | None = None
    data: Text | None = None
    data_fingerprint: Text | None = None
    vectors: Text | None = None
    vectors_fingerprint: Text | None = None
    texts: dict[Text, Annotated[int, Field(ge=1, le=10**12)]] = Field(default_factory=dict)
    texts_per_class: dict[Text, dict[Text, Count]] = Field(default_factory=dict)
    tokens: dict[Text, Count] = Field(default_factory=dict)
    tokenizer: Text | None = None
    vocabulary: Count | None = None
    dim: Count | None = None
    bundle_parts: _SizesPart | None = None
    coverage: Shares = Field(default_factory=dict)
    substitutions: list[Text] = Field(default_factory=list)
    notices: list[Text] = Field(default_factory=list)


class _Resumed(_Part):
    at: Text | None = None
    command: list[Text] = Field(default_factory=list)


class _Environment(_Part):
    command: list[Text] = Field(default_factory=list)
    directory: Text | None = None
    started: Text | None = None
    seed: int | None = None
    versions: dict[Text, Text] = Field(default_factory=dict)
    git: Text | None = None
    machine: _Machine | None = None
    resources: _Resources | None = None
    corpora: list[_CorpusPart] = Field(default_factory=list)
    notices: list[Text] = Field(default_factory=list)
    resumed: list[_Resumed] = Field(default_factory=list)


class RecordedRerun(_Part):
    """A trial's configuration trained to its end with another seed."""

    number: Count
    seed: Count
    metrics: dict[Text, Number]


class _StepPart(BaseModel):
    """A row of a CSV file, whose texts are read as numbers."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    step: Count
    epoch: Number
    loss: Number
    accuracy: Share
    grad_norm: Number
    clipped: Share
    learning_rate: Number


_RESULT = TypeAdapter(_Result)
_ENVIRONMENT = TypeAdapter(_Environment)
_PREVIOUS = TypeAdapter(PreviousRecord)
_RERUNS = TypeAdapter(list[RecordedRerun])
_CURVE = TypeAdapter(list[dict[Text, Number]], config=ConfigDict(strict=True))
_STEPS = TypeAdapter(list[_StepPart])
_METRICS = TypeAdapter(dict[Text, Number], config=ConfigDict(strict=True))


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        most_bytes: A larger one is not read.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is too large, too deep or no JSON; the message names the file.
    """
    try:
        return json.loads(_read_text(path, most_bytes))
    except RecursionError:
        raise RunFolderError(f"{path}: damaged (nested too deeply)") from None
    except ValueError as error:
        raise RunFolderError(f"{path}: damaged ({error})") from error


def _read_text(path: Path, most_bytes: int) -> str:
    if (size := path.stat().st_size) > most_bytes:
        raise RunFolderError(f"{path}: must have at most {most_bytes:,} bytes, but has {size:,}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RunFolderError(f"{path}: damaged ({error})") from error


def read_result(path: Path) -> dict[str, Any]:
    """Read `result.json`.

    Args:
        path: The file.

    Returns:
        The values that are known, by key; what else the file holds is left out.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is damaged: no JSON, too large, or with a value of another type.
    """
    return _adapted(_RESULT, read_json(path), path).model_dump(exclude_unset=True)


def read_environment(path: Path) -> dict[str, Any]:
    """Read `environment.json`.

    Args:
        path: The file.

    Returns:
        The values that are known, by key; those that are null are left out.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is damaged, as in `read_result`.
    """
    return check_environment(read_json(path), path)


def check_environment(content: Any, path: Path) -> dict[str, Any]:
    """Check the content of an `environment.json` that was read already.

    Args:
        content: As JSON gives it.
        path: The file, for the message.

    Returns:
        The values that are known, by key; those that are null are left out.

    Raises:
        RunFolderError: A value is of another type than it must be.
    """
    return _adapted(_ENVIRONMENT, content, path).model_dump(exclude_unset=True, exclude_none=True)


def read_reruns(path: Path) -> list[RecordedRerun]:
    """Read what a confirmation has recorded.

    Args:
        path: `confirm/reruns.json`.

    Returns:
        A record for each training with a fresh seed.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is damaged, as in `read_result`.
    """
    return _adapted(_RERUNS, read_json(path), path)


def read_previous(path: Path) -> PreviousRecord:
    """Return what is recorded of the run that a search started from; raises as `read_result`.

    Args:
        path: The file.
    """
    return _adapted(_PREVIOUS, read_json(path), path)


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Read a trial's reports.

    Args:
        path: The trial's `curve.json`.

    Returns:
        The metrics by name, one dictionary a rung.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is damaged, as in `read_result`.
    """
    return _adapted(_CURVE, read_json(path), path)


def read_steps(path: Path) -> list[dict[str, Any]]:
    """Read how a trial went between its rungs.

    Args:
        path: The trial's `steps.csv`.

    Returns:
        A dictionary for each point, with the keys of `textcls.training.step_log.StepPoint`.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is damaged, as in `read_result`.
    """
    text = _read_text(path, MOST_BYTES)
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise RunFolderError(f"{path}: damaged ({error})") from error
    return [point.model_dump() for point in _adapted(_STEPS, rows, path)]


def read_metrics(path: Path) -> dict[str, float]:
    """Read a file of metrics.

    Args:
        path: A JSON object of numbers.

    Returns:
        Finite numbers by name.

    Raises:
        FileNotFoundError: There is none.
        RunFolderError: It is damaged, as in `read_result`.
    """
    return _adapted(_METRICS, read_json(path), path)


def check_points(points: list[Mapping[str, Any]], where: Path | str) -> None:
    """Check what the trials of a study reported at their rungs.

    Args:
        points: The reports, metrics by name.
        where: The study, for the message: a file or the URL of a database.

    Raises:
        RunFolderError: Something else is there than names and finite numbers.
    """
    _adapted(_CURVE, points, where)


def _adapted(adapter: TypeAdapter[Document], content: Any, path: Path | str) -> Document:
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise RunFolderError(f"{path}: damaged ({key[:100]}: {first['msg']})") from None
