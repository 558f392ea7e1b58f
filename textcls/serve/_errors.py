"""The one form in which every error is answered."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field
from starlette.responses import Response


class RequestProblem(BaseModel):
    """One fault in a request's body."""

    place: str = Field(examples=["texts[3]"])
    """The key; empty where it is the body as a whole."""
    message: str


class ErrorContent(BaseModel):
    """What went wrong and what to do."""

    status: int = Field(examples=[422])
    code: str = Field(examples=["invalid_request"])
    """A word for programs, which stays the same while the message may change."""
    message: str
    problems: list[RequestProblem] = []


class ErrorAnswer(BaseModel):
    """The body of every answer whose status is 400 or above."""

    error: ErrorContent


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: The status of the answer.
        code: A word for programs.
        message: What is wrong, and what the caller can do.
        problems: The faults in the body, where that is what is wrong.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        problems: Sequence[RequestProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.problems = problems
        self.headers = headers


class ErrorResponse(Response):
    """A `RequestError` as an answer in JSON."""

    media_type = "application/json"

    def __init__(self, error: RequestError) -> None:
        content = ErrorContent(
            status=error.status,
            code=error.code,
            message=error.message,
            problems=list(error.problems),
        )
        super().__init__(
            ErrorAnswer(error=content).model_dump_json(),
            error.status,
            dict(error.headers or {}),
        )


def too_large(limit: int) -> RequestError:
    """Return the refusal of a body that has more than `limit` bytes.

    The connection is closed, since the rest of the body is not read.
    """
    return RequestError(
        413,
        "too_large",
        f"a body may have at most {limit:,} bytes; send the texts in several requests",
        headers={"connection": "close"},
    )


def internal_error() -> RequestError:
    """Return the answer to a request that met a fault of the program."""
    return RequestError(
        500, "internal_error", "an internal error, described in the log; the service goes on"
    )
