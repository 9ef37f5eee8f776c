"""A reply as a value, and the forms that the API server's replies have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def document(body: Object, status: int = 200, content_type: str = JSON, **headers: str) -> Reply:
    extra = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, json.dumps(body, separators=(",", ":")).encode() + b"\n", content_type, extra)


def status(code: int, reason: str, message: str, details: Object | None = None, token: str = "") -> Reply:
    meta = {"continue": token} if token else {}
    body: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": meta,
        "status": "Failure",
        "message": message,
    }
    body["reason"] = reason
    body |= {"details": details} if details else {}
    body["code"] = code
    wait = (details or {}).get("retryAfterSeconds")
    return document(body, code, **({"Retry_After": str(wait)} if wait else {}))


NOT_FOUND = Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")
