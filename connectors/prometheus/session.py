"""A session of `requests` whose every request goes through our own HTTP client.

prometheus-api-client speaks through `requests` and brings neither time-out nor limit. Under this adapter it
shares connections, credentials, TLS, deadlines and limits with all other requests to the same server.
"""

from __future__ import annotations

import io
from typing import Any

import requests
from requests.adapters import BaseAdapter

from connectors.http import HttpClient, Response


class _ThroughClient(BaseAdapter):
    """Sends a prepared GET by the client; whatever else the caller chose is not its choice."""

    def __init__(self, client: HttpClient) -> None:
        super().__init__()
        self._client = client
        self._base = client.endpoint.url.rstrip("/")

    def send(self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any) -> requests.Response:
        """Ask for the path and query of the request.

        Raises:
            SourceFailedError: as `HttpClient.get` does.
        """
        if request.method != "GET" or not (request.url or "").startswith(self._base):
            raise ValueError("only GET below the endpoint is asked")
        return _answer(self._client.get((request.url or "").removeprefix(self._base)), request)

    def close(self) -> None:
        """The client is closed by whoever opened it."""


def _answer(found: Response, request: requests.PreparedRequest) -> requests.Response:
    answer = requests.Response()
    answer.status_code = found.status
    answer.raw = io.BytesIO(found.body)
    answer.request = request
    answer.url = request.url or ""
    answer.encoding = "utf-8"
    return answer


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Credentials are the client's; without this, requests would look into ~/.netrc for others."""
    return request


def session_over(client: HttpClient) -> requests.Session:
    """A session that only knows the way through the client."""
    session = requests.Session()
    session.trust_env = False
    session.auth = _as_it_is
    session.adapters.clear()
    session.mount(client.endpoint.url.rstrip("/"), _ThroughClient(client))
    return session
