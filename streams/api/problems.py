"""Errors as RFC 9457 problem documents: one shape for whatever goes wrong."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from streams.readmodel.store import StoreUnavailableError

MEDIA_TYPE: Final = "application/problem+json"
_TITLES: Final = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "The token does not allow this",
    404: "There is no such thing",
    405: "The method is not allowed here",
    406: "None of the formats asked for is offered",
    409: "The request conflicts with one under way",
    412: "The state has moved on",
    413: "The body is too large",
    415: "The body must be JSON",
    422: "The request cannot be used",
    429: "Too many requests",
    500: "A fault of the service",
    503: "A part that this needs does not answer",
}


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="Place of the value: body, query or path, and its key.")
    message: str = Field(description="What was expected.")


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = Field(description="Names the kind of problem.", examples=["/problems/not-found"])
    title: str
    status: int
    detail: str = Field(description="What happened, naming the value and what was expected.")
    errors: list[Fault] = Field(default_factory=list)


class ProblemError(Exception):
    """An answer that is a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: dict[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.errors = errors


def fault(where: str, message: str) -> dict[str, str]:
    """Return one thing that is wrong with a request, as :class:`Fault` has it."""
    return {"where": where, "message": message}


def problem(
    status: int,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as a response."""
    title = _TITLES.get(status, "The request failed")
    content: dict[str, Any] = {
        "type": "/problems/" + title.lower().replace(" ", "-"),
        "title": title,
        "status": status,
        "detail": detail,
        "errors": errors or [],
    }
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return problem responses for a route's declaration."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error that the application raises on purpose by a problem."""
    app.add_exception_handler(ProblemError, _own)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StoreUnavailableError, _store)


def _own(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return problem(error.status, error.detail, errors=error.errors, headers=error.headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        fault(".".join(str(part) for part in found["loc"]), str(found["msg"]))
        for found in error.errors()
    ]
    detail = "; ".join(f"{wrong['where']}: {wrong['message']}" for wrong in errors)
    return problem(422, detail, errors=errors)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, str(error.detail), headers=headers)


def _store(_: Request, error: Exception) -> JSONResponse:
    return problem(503, f"{error}; nothing is lost, try again", headers={"Retry-After": "1"})


def faulted(_: Request, error: Exception) -> JSONResponse:
    """Answer an error that nobody meant, which is raised on for the log."""
    return problem(500, f"{type(error).__name__}; the log of the service says more")
