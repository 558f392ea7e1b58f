"""The service as an ASGI application."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from textcls.calibration.conformal import LEAST_TEXTS, least_probability
from textcls.command_line import version
from textcls.runtime.bundle_files import Conformal
from textcls.runtime.predictor import EnsemblePredictor, Predictor
from textcls.serve._batching import MicroBatcher
from textcls.serve._errors import ErrorAnswer, ErrorResponse, RequestError
from textcls.serve._guard import OPEN_PATHS, Guard
from textcls.serve._messages import PredictAnswer, PredictRequest, parse_request, told
from textcls.serve._metrics import CONTENT_TYPE, ServeMetrics
from textcls.serve.limits import ServeLimits

PredictPage = Callable[[str, bytes], Awaitable[Response]]
"""Takes the type and the content of a request's body."""
_ABOUT = """\
Labels and probabilities of texts. Every error has one form, `{"error": {"status", "code",
"message", "problems"}}`; where the service was started with a token, all but `/health` and these
pages want the header `Authorization: Bearer TOKEN`."""
_JSON = "application/json"
_STATUSES = {
    404: ("not_found", "there is no such page; /docs lists the pages"),
    405: ("method_not_allowed", "this page has no such method; /docs lists those that it has"),
}


def create_app(
    predictor: Predictor | EnsemblePredictor,
    name: str,
    *,
    token: str | None = None,
    limits: ServeLimits | None = None,
    hosts: Collection[str] | None = None,
) -> ASGIApp:
    """Return an ASGI application that predicts with a classifier.

    Its pages are `/predict`, `/health`, `/info`, `/metrics`, `/docs` and `/openapi.json`.

    Args:
        predictor: The classifier (`textcls.runtime.loading.load_predictor`).
        name: What `/info` calls it.
        token: What callers must show; None asks for nothing.
        limits: What a request may ask for; by default `ServeLimits()`.
        hosts: The names, in lower case and without a port, that callers may address it by; others
            are answered with 421. None admits any, which is right only where a token is asked for
            or everybody may ask.

    Returns:
        The application, for uvicorn or any other ASGI server.

    Example::

        app = create_app(load_predictor(find_bundle("my-run")), "my-run")
        uvicorn.run(app)
    """
    limits = limits or ServeLimits()
    metrics = ServeMetrics(predictor.label_names, version())
    batcher = MicroBatcher(predictor.probabilities, metrics, limits.waiting_texts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        batcher.close()

    app = FastAPI(
        title="textcls-tune",
        description=_ABOUT,
        version=version(),
        redoc_url=None,
        docs_url="/docs",
        redirect_slashes=False,
        lifespan=lifespan,
        responses={"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}},
    )
    predict = _predict_answer(predictor, batcher, metrics, limits)
    _add_predict(app, predict)
    _add_pages(app, to_json(information(predictor, name, limits), inf_nan_mode="null"), metrics)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestError, _refusal_answer)
    paths = OPEN_PATHS | {"/predict", "/info", "/metrics"}
    return Guard(_shortened(app, predict), paths, token, limits, metrics, hosts)


def information(
    predictor: Predictor | EnsemblePredictor, name: str, limits: ServeLimits
) -> dict[str, Any]:
    """Return what `/info` tells.

    Args:
        predictor: The classifier that is served.
        name: What it is called, such as its folder's name.
        limits: Bounds of a request, which clients have to know.

    Returns:
        Classes, accuracies, how the classifier was selected, its calibration, the held-out texts
        that `coverage` rests on, and the limits, as JSON can write them. Model and calibration of
        an ensemble are those of its first member, and none.
    """
    about = predictor.about
    members = predictor.members if isinstance(predictor, EnsemblePredictor) else (predictor,)
    scores = _conformal(predictor)
    calibration = members[0].files.description.calibration if len(members) == 1 else None
    return {
        "classifier": name,
        "version": version(),
        "classes": list(predictor.label_names),
        "members": len(members),
        "accuracy": _accuracies(about),
        "selected": _how_selected(about),
        "search": about.get("search"),
        "result": about.get("result"),
        "model": members[0].files.description.model.model_dump(mode="json"),
        "coverage": None if scores is None else {"split": scores.split, "texts": scores.texts},
        "calibration": None if calibration is None else calibration.model_dump(mode="json"),
        "limits": {key: getattr(limits, key) for key in limits.__slots__},
    }


def _accuracies(about: Mapping[str, Any]) -> dict[str, float]:
    result = about.get("result") or {}
    names = {"val_accuracy": "validation", "test_accuracy": "test"}
    return {
        split: float(result[key])
        for key, split in names.items()
        if isinstance(result.get(key), int | float)
    }


def _how_selected(about: Mapping[str, Any]) -> str:
    search = about.get("search")
    if not search:
        return "one configuration, trained without a search"
    who = f"trial {search.get('trial')}" if search.get("trial") is not None else "the winner"
    return f"{who} of the search {search.get('run')}, compared on {search.get('metric')}"


def _predict_answer(
    predictor: Predictor | EnsemblePredictor,
    batcher: MicroBatcher,
    metrics: ServeMetrics,
    limits: ServeLimits,
) -> PredictPage:
    conformal = _conformal(predictor)

    async def answer(content_type: str, body: bytes) -> Response:
        if content_type.partition(";")[0].strip().lower() != _JSON:
            # Browsers let pages of other sites send plain text unasked.
            raise RequestError(415, "not_json", f"send the body as Content-Type: {_JSON}")
        asked = parse_request(body, limits)
        least = _least_probability(conformal, asked.coverage)
        rows = await batcher.probabilities(asked.texts)
        answer = told(rows, predictor.label_names, asked, least)
        metrics.add_labels([each["label"] for each in answer["predictions"]])
        return Response(to_json(answer), media_type=_JSON)

    return answer


def _conformal(predictor: Predictor | EnsemblePredictor) -> Conformal | None:
    """Return the scores of held-out texts; None where there are none, and of an ensemble."""
    if isinstance(predictor, EnsemblePredictor):
        return None
    return predictor.files.description.conformal


def _least_probability(conformal: Conformal | None, coverage: float | None) -> float | None:
    """Return from which probability on a label belongs to a set; None where none is asked for."""
    if coverage is None:
        return None
    if conformal is None:
        raise RequestError(
            422,
            "no_coverage",
            "the classifier holds no scores of held-out texts, which coverage needs: it is an "
            f"ensemble, or it was exported with fewer than {LEAST_TEXTS} of them",
        )
    return least_probability(conformal, coverage)


def _add_predict(app: FastAPI, predict: PredictPage) -> None:
    schema = PredictRequest.model_json_schema()

    @app.post(
        "/predict",
        response_model=PredictAnswer,
        openapi_extra={
            "requestBody": {"required": True, "content": {_JSON: {"schema": schema}}},
        },
    )
    async def predict_texts(request: Request) -> Response:
        """Return the label and the probability of each text."""
        return await predict(request.headers.get("content-type", _JSON), await request.body())


def _shortened(app: ASGIApp, predict: PredictPage) -> ASGIApp:
    """Return an application that answers `POST /predict` without the framework's layers.

    They take about a third of the processor's time of a request for one text, and nothing of what
    they do is asked for here. `app` describes the page and answers all others.
    """

    async def shortened(scope: Scope, receive: Receive, send: Send) -> None:
        is_predict = scope["type"] == "http" and scope["path"] == "/predict"
        if not is_predict or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        content_type = dict(scope["headers"]).get(b"content-type", _JSON.encode())
        body = (await receive())["body"]  # whole, as Guard gives it
        response = await predict(content_type.decode("latin-1"), body)
        await response(scope, receive, send)

    return shortened


def _add_pages(app: FastAPI, information_page: bytes, metrics: ServeMetrics) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Tell that the service answers."""
        return {"status": "ok"}

    @app.get("/info")
    async def info() -> Response:
        """Tell the classes, the accuracy, how the classifier was selected, and the limits."""
        return Response(information_page, media_type=_JSON)

    @app.get("/metrics")
    async def prometheus() -> Response:
        """Tell counts and times in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for this it is registered
    code, message = _STATUSES.get(error.status_code, ("http_error", error.detail))
    return ErrorResponse(RequestError(error.status_code, code, message, headers=error.headers))


async def _refusal_answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - for this it is registered
    return ErrorResponse(error)
