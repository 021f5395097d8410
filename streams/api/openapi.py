"""The OpenAPI document: routes from the application, shapes from the bodies' own types."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI

from schemas.policy import PortfolioPolicy
from streams.api import beside, bodies
from streams.api.problems import ProblemDocument

ANSWERS: Final[tuple[type[msgspec.Struct], ...]] = (
    bodies.Portfolios,
    bodies.Weights,
    bodies.WeightsOverTime,
    bodies.Performance,
    bodies.Optimization,
    bodies.Covariance,
    bodies.Strategies,
    bodies.StrategyDetail,
    bodies.History,
    bodies.DecisionDetail,
    bodies.Audit,
    bodies.PolicyAnswer,
    bodies.RequestAnswer,
    bodies.PreviewAnswer,
    bodies.Accepted,
    bodies.Probe,
    bodies.Version,
    beside.Frontier,
    beside.Shadows,
)
ORDERS: Final[tuple[type[msgspec.Struct], ...]] = (
    bodies.RebalanceOrder,
    bodies.PreviewOrder,
    bodies.RiskOrder,
    beside.FrontierOrder,
    PortfolioPolicy,
)
_REFERENCE: Final = "#/components/schemas/{name}"


def answers(
    kind: type[msgspec.Struct], description: str, *, status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Return the declaration of a route's JSON answer."""
    return {status: {"description": description, "content": {"application/json": _schema(kind)}}}


def takes(kind: type[msgspec.Struct], example: dict[str, Any]) -> dict[str, Any]:
    """Return the declaration of a route's JSON body."""
    content = {"application/json": {**_schema(kind), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"schema": {"$ref": _REFERENCE.format(name=kind.__name__)}}


def install(app: FastAPI) -> None:
    """Let the application describe itself with our types."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, components = msgspec.json.schema_components(
                (*ANSWERS, *ORDERS), ref_template=_REFERENCE
            )
            problem = ProblemDocument.model_json_schema(
                ref_template=_REFERENCE.replace("name", "model")
            )
            faults = problem.pop("$defs", {})
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(components)
            schemas.update({"ProblemDocument": problem, **faults})
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as the framework's own pages advise
