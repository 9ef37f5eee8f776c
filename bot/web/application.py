"""The ASGI application of `firstcause serve`: which endpoints there are, and what stands before them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.desk import DeliveryKind
from bot.errors import BadInputError
from bot.serve_fields import AlertmanagerFields, ServeFields
from bot.web import alertmanager, changes, described, incidents, pagerduty
from bot.web.health import HealthEndpoints
from bot.web.intake import Intake
from bot.web.parts import Parts
from bot.web.shelter import Shelter

log = logging.getLogger(__name__)
Made = TypeVar("Made")

NOBODY = (
    "nobody could be heard: set one of serve.changes_token, serve.incidents_token, serve.pagerduty, "
    "serve.alertmanager or serve.slack; `firstcause init` shows them"
)


class _Application(FastAPI):
    """FastAPI with the schemas of bodies that endpoints read themselves."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        components = document.setdefault("components", {})
        components["schemas"] = {**components.get("schemas", {}), **described.SCHEMAS}
        components["securitySchemes"] = described.SECURITY
        return document


def application(fields: ServeFields, parts: Parts) -> FastAPI:
    """The application with an endpoint for everyone who is configured.

    Raises:
        BadInputError: nobody is, or a secret is too short.
    """
    app = _Application(
        title="firstcause",
        version=version("firstcause"),
        summary="What pagers, pipelines and people tell.",
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redirect_slashes=False,
        exception_handlers={HTTPException: _plain, Exception: _defect},
    )
    _mount_intake(app, fields, parts)
    if fields.changes_token is not None:
        token = fields.changes_token.get_secret_value()
        teller = _made(
            "serve.changes_token", lambda: changes.ChangesEndpoint(parts.changes, token, parts.now)
        )
        about = described.operation("Change", ["changes"], "Tell a change of what runs")
        app.add_api_route(changes.PATH, teller.post, **about)
    if not app.routes[1:] and not parts.routes and fields.slack is None:
        raise BadInputError(NOBODY)
    health = HealthEndpoints(parts)
    for path, endpoint in (
        ("/healthz", health.live),
        ("/readyz", health.ready),
        ("/metrics", health.metrics),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], response_model=None, include_in_schema=False)
    app.router.routes.extend(parts.routes)
    app.add_middleware(Shelter, measures=parts.measures)
    return app


def _mount_intake(app: FastAPI, fields: ServeFields, parts: Parts) -> None:
    intake = Intake(parts.desk, parts.measures, parts.patience_seconds)
    if fields.pagerduty is not None:
        secrets = [each.get_secret_value() for each in fields.pagerduty.secrets]
        signed = _made("serve.pagerduty.secrets", lambda: pagerduty.PagerDutyReader(secrets, parts.now))
        app.add_api_route(
            pagerduty.PATH,
            intake.endpoint(DeliveryKind.PAGERDUTY, signed),
            **described.operation("PagerDutyWebhook", ["pagerduty"], "PagerDuty's V3 webhooks"),
        )
    if fields.alertmanager is not None:
        notified = _alertmanager(fields.alertmanager, parts)
        schemes = ["alertmanagerToken", "alertmanagerBasic"]
        app.add_api_route(
            alertmanager.PATH,
            intake.endpoint(DeliveryKind.ALERTMANAGER, notified),
            **described.operation("AlertmanagerNotification", schemes, "Alertmanager's webhook, version 4"),
        )
    if fields.incidents_token is not None:
        token = fields.incidents_token.get_secret_value()
        told = _made("serve.incidents_token", lambda: incidents.IncidentsReader(token, parts.now))
        app.add_api_route(
            incidents.PATH,
            intake.endpoint(DeliveryKind.INCIDENT, told),
            **described.operation("IncidentTold", ["incidents"], "Begin an incident"),
        )


def _alertmanager(fields: AlertmanagerFields, parts: Parts) -> alertmanager.AlertmanagerReader:
    token = fields.token.get_secret_value() if fields.token is not None else None
    login = (fields.basic.username, fields.basic.password.get_secret_value()) if fields.basic else None
    return _made("serve.alertmanager", lambda: alertmanager.AlertmanagerReader(token, login, parts.now))


def _made(where: str, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except ValueError as error:
        raise BadInputError(f"{where}: {error}") from error


async def _plain(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)


async def _defect(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return JSONResponse({"error": "an error inside; send it again, and see the log"}, 500)
