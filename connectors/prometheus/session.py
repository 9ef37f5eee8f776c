"""The session under the client: kept connections, credentials, TLS, and every request under the limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connectors.http import Endpoint

Bounded = Callable[[Callable[[], requests.Response]], requests.Response]


class GuardedSession(requests.Session):
    """Sends through `bounded`, whatever the caller asks for: time-out, size and number are not its choice."""

    def __init__(self, timeout_seconds: float, bounded: Bounded) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._bounded = bounded

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As requests does, but bounded; follows no redirection, which could lead the credentials away."""
        if method not in ("GET", b"GET"):
            raise ValueError(f"only GET is asked, not {method!r}")
        fixed = {"stream": True, "allow_redirects": False, "timeout": self._timeout_seconds}
        send = super().request
        return self._bounded(lambda: send(method, url, *args, **(kwargs | fixed)))


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials but those of the headers: without this, requests would look into ~/.netrc for others."""
    return request


def guarded(endpoint: Endpoint, bounded: Bounded) -> GuardedSession:
    """A session for one endpoint."""
    session = GuardedSession(endpoint.limits.timeout_seconds, bounded)
    # Within a cluster, packing an answer costs a busy server more than sending it does.
    session.headers.update({"Accept-Encoding": "identity"} | dict(endpoint.headers))
    session.auth = endpoint.basic or _as_it_is
    session.verify = endpoint.ca_file or endpoint.verify
    session.cert = endpoint.client_certificate
    if not endpoint.verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    adapter = HTTPAdapter(
        pool_connections=1, pool_maxsize=endpoint.limits.concurrent, max_retries=0, pool_block=False
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
