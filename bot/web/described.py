"""How the endpoints are described in `/openapi.json`."""

from __future__ import annotations

from typing import Any

from bot.web.incidents import IncidentTold
from connectors.change_forms import KINDS

_TEXT = {"type": "string"}
_OPEN = {"type": "object", "additionalProperties": True}
SECURITY = {
    "changes": {"type": "http", "scheme": "bearer", "description": "serve.changes_token"},
    "incidents": {"type": "http", "scheme": "bearer", "description": "serve.incidents_token"},
    "alertmanagerToken": {"type": "http", "scheme": "bearer", "description": "serve.alertmanager.token"},
    "alertmanagerBasic": {"type": "http", "scheme": "basic", "description": "serve.alertmanager.basic"},
    "pagerduty": {
        "type": "apiKey",
        "in": "header",
        "name": "X-PagerDuty-Signature",
        "description": "v1= and the body's HMAC-SHA256 in hexadecimal, by one of serve.pagerduty.secrets",
    },
}
SCHEMAS: dict[str, Any] = {
    "IncidentTold": IncidentTold.model_json_schema(),
    "Taken": {
        "type": "object",
        "description": "`kept`: whether there was something to keep; `new`: whether for the first time.",
        "required": ["kept"],
        "properties": {"kept": {"type": "boolean"}, "id": _TEXT, "new": {"type": "boolean"}, "reason": _TEXT},
    },
    "Refused": {
        "type": "object",
        "description": "One line that says what to send instead, or when.",
        "required": ["error"],
        "properties": {"error": _TEXT},
    },
    "PagerDutyWebhook": {
        "type": "object",
        "required": ["event"],
        "properties": {
            "event": {
                "type": "object",
                "required": ["id", "event_type", "data"],
                "properties": {"id": _TEXT, "event_type": _TEXT, "occurred_at": _TEXT, "data": _OPEN},
            }
        },
    },
    "AlertmanagerNotification": {
        "type": "object",
        "required": ["groupKey", "alerts"],
        "properties": {
            "version": _TEXT,
            "groupKey": _TEXT,
            "truncatedAlerts": {"type": "integer"},
            "status": {"enum": ["firing", "resolved"]},
            "commonLabels": _OPEN,
            "commonAnnotations": _OPEN,
            "alerts": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Alert"}},
        },
    },
    "Alert": {
        "type": "object",
        "properties": {
            "status": {"enum": ["firing", "resolved"]},
            "labels": _OPEN,
            "annotations": _OPEN,
            "startsAt": _TEXT,
            "endsAt": _TEXT,
            "fingerprint": _TEXT,
        },
    },
    "Change": {
        "anyOf": [{"$ref": "#/components/schemas/OwnChange"}, {"$ref": "#/components/schemas/ChangeEvent"}]
    },
    "OwnChange": {
        "type": "object",
        "required": ["summary"],
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(("id", "service", "version", "commit", "link"), _TEXT),
            "summary": {"type": "string", "pattern": "^\\w"},
            "at": {"type": "string", "format": "date-time", "description": "when; default: now"},
            "kind": {"enum": list(KINDS)},
            "pods": {"type": "array", "items": _TEXT},
        },
        "example": {"kind": "flag", "service": "cart", "summary": "new-cart on for 50 %"},
    },
    "ChangeEvent": {
        **_OPEN,
        "description": "a CloudEvent, a CDEvent, or PagerDuty's change event: docs/sources/changes.md",
    },
}
_REFUSALS = {
    400: "it is not what is taken here",
    401: "nobody who is known here",
    408: "the body did not arrive in time",
    413: "the body is too large",
    422: "a field is not as described, or its Idempotency-Key was used for another incident",
    503: "it could not be kept, or too much is under way: send it again after `Retry-After`",
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "the same key with the same incident is the same incident",
}


def operation(schema: str, security: list[str], summary: str) -> dict[str, Any]:
    """What FastAPI is told about an endpoint that reads its own body."""
    extra: dict[str, Any] = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(schema)}}},
        "security": [{each: []} for each in security],
    }
    if schema == "IncidentTold":
        extra["parameters"] = [_IDEMPOTENCY]
    return {
        "methods": ["POST"],
        "status_code": 202,
        "response_model": None,
        "summary": summary,
        "responses": {
            202: {"description": "taken", "content": {"application/json": {"schema": _ref("Taken")}}},
            **{
                status: {"description": why, "content": {"application/json": {"schema": _ref("Refused")}}}
                for status, why in _REFUSALS.items()
            },
        },
        "openapi_extra": extra,
    }


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}
