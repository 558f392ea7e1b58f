"""What `/predict` is asked and what it answers."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic_core import from_json

from textcls.config import messages
from textcls.serve._errors import RequestError, RequestProblem
from textcls.serve.limits import ServeLimits

_PROBLEMS_SHOWN = 10
_LONGEST_BELOW = 1_000
_LONGEST_KEY, _LONGEST_MESSAGE = 100, 300  # characters of a message that the caller determines


class PredictRequest(BaseModel):
    """Texts, and what is to be told of each."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [{"texts": ["The striker scored twice", "Shares fell"], "top": 2}]
        },
    )

    texts: Annotated[list[str], Field(min_length=1), FailFast()]
    """The texts; a single one is a list of one."""
    top: int = Field(default=1, ge=1)
    """How many labels are told of each text, the most probable first."""
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    """Below this probability of the most probable label, `below` is told in its place."""
    below: str | None = Field(default=None, max_length=_LONGEST_BELOW)
    """The label of texts below `threshold`; by default none, that is null."""
    coverage: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Tell of each text the set of labels that holds the true one with this probability, averaged
    over texts like those that the classifier was tested on."""


class RankedLabel(BaseModel):
    """A label and its probability."""

    label: str
    probability: float


class TextPrediction(BaseModel):
    """What is told of one text."""

    label: str | None
    """The most probable label; `below` where its probability is below `threshold`."""
    probability: float
    """The probability of the most probable label."""
    top: list[RankedLabel] = []
    """The `top` most probable labels; only where more than one was asked for."""
    labels: list[str] = []
    """The set of labels that `coverage` asks for, the most probable one first; only where it was
    asked for."""


class PredictAnswer(BaseModel):
    """A prediction for each text, in the order of the texts."""

    predictions: list[TextPrediction]


def parse_request(body: bytes, limits: ServeLimits) -> PredictRequest:
    """Return the checked content of a body.

    Args:
        body: As it was sent, its length checked already.
        limits: How many texts and characters are allowed.

    Raises:
        RequestError: It is no JSON (400), makes no sense (422) or asks for too much (413).
    """
    try:
        content = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise RequestError(400, "invalid_json", f"the body is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        found = _cut(messages.shown(content))
        raise _refusal([RequestProblem(place="", message=f"must be an object, but is {found}")])
    if unknown := [key for key in content if key not in PredictRequest.model_fields]:
        raise _refusal([_unknown_key(key) for key in unknown[:_PROBLEMS_SHOWN]])
    try:
        asked = PredictRequest.model_validate(content)
    except ValidationError as error:
        raise _refusal(
            [
                RequestProblem(
                    place=messages.dotted(each["loc"]), message=_cut(messages.describe(each))
                )
                for each in error.errors(include_url=False)
            ]
        ) from None
    _check_limits(asked.texts, limits)
    return asked


def _check_limits(texts: Sequence[str], limits: ServeLimits) -> None:
    if len(texts) > limits.texts:
        raise RequestError(
            413,
            "too_many_texts",
            f"a request may have at most {limits.texts:,} texts, but has {len(texts):,}; send them "
            "in several requests",
        )
    for place, text in enumerate(texts):
        if len(text) > limits.characters:
            raise RequestError(
                413,
                "text_too_long",
                f"a text may have at most {limits.characters:,} characters, but texts[{place}] has "
                f"{len(text):,}",
            )


def told(
    rows: np.ndarray[Any, Any],
    names: Sequence[str],
    asked: PredictRequest,
    least: float | None = None,
) -> dict[str, Any]:
    """Return the answer to a request, as `PredictAnswer` describes it.

    Args:
        rows: Probabilities, (texts, classes).
        names: The classes, in their order.
        asked: The request: how many labels, and from which probability on.
        least: The probability from which on a label belongs to a text's set, the most probable one
            in any case; None to tell no sets.
    """
    best = rows.argmax(axis=1).tolist()
    found = []
    for row, place in zip(rows, best, strict=True):
        probability = float(row[place])
        sure = asked.threshold is None or probability >= asked.threshold
        one: dict[str, Any] = {
            "label": names[place] if sure else asked.below,
            "probability": probability,
        }
        if asked.top > 1 or least is not None:
            order = np.argsort(-row, kind="stable")
        if asked.top > 1:
            first = order[: asked.top].tolist()
            one["top"] = [{"label": names[i], "probability": float(row[i])} for i in first]
        if least is not None:
            count = max(1, int((row >= least).sum()))
            one["labels"] = [names[i] for i in order[:count].tolist()]
        found.append(one)
    return {"predictions": found}


def _unknown_key(key: str) -> RequestProblem:
    near = messages.did_you_mean(key[:_LONGEST_KEY], PredictRequest.model_fields)
    known = ", ".join(PredictRequest.model_fields)
    return RequestProblem(
        place=_cut(messages.dotted((key[:_LONGEST_KEY],))),
        message=f"unknown key{near or f'; known are {known}'}",
    )


def _refusal(problems: Sequence[RequestProblem]) -> RequestError:
    return RequestError(
        422, "invalid_request", "the body is not a valid request to predict", problems
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."
