"""A read-only HTTP client for one source: GET and search POSTs, bounded in time, size and number.

Built on httpx (kept connections, typed, a time-out for each phase). Every failure becomes a
`SourceFailedError` with one clear line; nothing a server says can make it anything else.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from connectors.governor import Governor, Limits, SourceFailedError
from connectors.redaction import redacted

if TYPE_CHECKING:
    import httpx

_RETRIED = frozenset({429, 502, 503, 504})
_MEANING = {
    401: "the credentials were refused (401)",
    403: "not allowed (403)",
    404: "not found (404)",
    429: "too many requests (429)",
}


@dataclass(frozen=True)
class Endpoint:
    """Where a source is and how to be let in.

    `headers` may hold secrets and is never shown. `ca_file` is a bundle to trust instead of the system's;
    `verify=False` turns certificate checks off, which `doctor` warns about.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    client_certificate: tuple[str, str] | None = field(default=None, repr=False)
    verify: bool = True
    limits: Limits = field(default_factory=Limits)

    def tls(self) -> ssl.SSLContext | bool:
        """What httpx is to verify with."""
        if not self.verify:
            return False
        if self.ca_file is None and self.client_certificate is None:
            return True
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.client_certificate is not None:
            context.load_cert_chain(*self.client_certificate)
        return context


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its status, body, headers (lower case) and how far the server's clock is off, in seconds."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    skew_seconds: float | None = None

    def json(self) -> object:
        """The body as JSON.

        Raises:
            SourceFailedError: it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise SourceFailedError(f"the answer is not JSON: {str(error)[:120]}") from error


class HttpClient:
    """Asks one endpoint. Connections are kept; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, governor: Governor | None = None) -> None:
        self.endpoint = endpoint
        self.governor = governor or Governor(endpoint.name, endpoint.limits)
        self._client: httpx.Client | None = None

    def get(
        self,
        path: str,
        params: Mapping[str, str | int | float] | None = None,
        *,
        accept: tuple[int, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """GET below the endpoint's URL; statuses of `accept` are answers too, not failures.

        Raises:
            SourceFailedError: no answer in time, one too large, or a status that is a failure.
        """
        return self.governor.run(lambda: self._request("GET", path, params, accept, headers))

    def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> httpx.Client:
        if self._client is None:
            import httpx

            self._client = httpx.Client(
                base_url=self.endpoint.url.rstrip("/") + "/",
                headers=dict(self.endpoint.headers),
                auth=self.endpoint.basic,
                verify=self.endpoint.tls(),
                timeout=self.endpoint.limits.timeout_seconds,
                limits=httpx.Limits(max_connections=self.endpoint.limits.concurrent),
                follow_redirects=False,
                trust_env=True,
            )
        return self._client

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int | float] | None,
        accept: tuple[int, ...],
        headers: Mapping[str, str] | None,
    ) -> Response:
        import httpx

        try:
            with self._opened().stream(method, path.lstrip("/"), params=params, headers=headers) as answer:
                body = self._body(answer)
                self.governor.received(len(body))
                if answer.status_code >= 300 and answer.status_code not in accept:
                    raise _failure(answer.status_code, answer.headers, body)
                return Response(answer.status_code, body, dict(answer.headers), _skew(answer.headers))
        except httpx.TimeoutException as error:
            limit = self.endpoint.limits.timeout_seconds
            raise SourceFailedError(f"no answer within {limit:g} s") from error
        except httpx.HTTPError as error:
            raise SourceFailedError(_unreachable(error), retry=True) from error

    def _body(self, answer: httpx.Response) -> bytes:
        """The body, as long as it is neither too large nor too slow: httpx times single reads only."""
        deadline = time.monotonic() + self.endpoint.limits.timeout_seconds
        most = self.endpoint.limits.most_bytes
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > most:
                raise SourceFailedError(f"the answer is larger than {most // 1024 // 1024} MiB", counts=False)
            if time.monotonic() > deadline:
                raise SourceFailedError(f"half an answer after {self.endpoint.limits.timeout_seconds:g} s")
            parts.append(part)
        return b"".join(parts)


def _failure(status: int, headers: Mapping[str, str], body: bytes) -> SourceFailedError:
    said = redacted(body[:2_000].decode("utf-8", "replace")).strip().replace("\n", " ")[:200]
    if 300 <= status < 400:
        return SourceFailedError(f"redirected ({status}); give the final address", counts=False)
    meaning = _MEANING.get(status, f"status {status}")
    return SourceFailedError(
        f"{meaning}: {said}" if said else meaning,
        retry=status in _RETRIED,
        retry_after=_retry_after(headers.get("retry-after")),
        counts=status >= 500 or status == 429,
    )


def _retry_after(written: str | None) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110, section 10.2.3): a number or a date."""
    if written is None:
        return None
    if written.strip().isdigit():
        return float(written)
    try:
        return max((parsedate_to_datetime(written) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _skew(headers: Mapping[str, str]) -> float | None:
    """How far the server's Date lies after our clock, in seconds; None where it does not say."""
    try:
        return (parsedate_to_datetime(headers["date"]) - datetime.now(UTC)).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def _unreachable(error: Exception) -> str:
    return f"not reachable: {redacted(str(error))[:160] or type(error).__name__}"
