"""A read-only HTTP client for one source: GET and search POSTs, bounded in time, size and number.

Built on httpx (kept connections, typed). Every failure becomes a `SourceFailedError` with one clear line;
nothing a server says can make it anything else. The environment is not read: a proxy is named explicitly.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.governor import Governor, Limits, SourceFailedError
from connectors.redaction import redacted

if TYPE_CHECKING:
    import httpx

    from connectors.deadline import Deadline

Params = Mapping[str, str | int | float]

_RETRIED = frozenset({429, 502, 503, 504})
_MEANING = {
    401: "the credentials were refused (401)",
    403: "not allowed (403)",
    404: "not found (404)",
    407: "the proxy wants credentials (407)",
    429: "too many requests (429)",
}
_AMISS = (
    "cannot ask: the token, a header or the password holds a character that HTTP cannot carry (a line break?)"
)
_UNPACKED = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Endpoint:
    """Where a source is and how to be let in.

    `headers` may hold secrets and is never shown. `bearer_file` is read anew for each request, because
    tokens that a platform mounts into a pod are replaced within the hour. `ca_file` is a bundle to trust
    instead of the system's; `verify=False` turns certificate checks off, which `doctor` warns about.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    bearer_file: str | None = None
    ca_file: str | None = None
    client_certificate: tuple[str, str] | None = field(default=None, repr=False)
    verify: bool = True
    proxy: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)

    def tls(self) -> ssl.SSLContext:
        """What certificates are checked with: the named bundle, else the system's and certifi's.

        Raises:
            SourceFailedError: a file of certificates cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.ca_file is None:
                import certifi

                context.load_verify_locations(certifi.where())
            if self.client_certificate is not None:
                context.load_cert_chain(*self.client_certificate)
        except OSError as error:
            raise SourceFailedError(f"the certificates cannot be read: {error}", counts=False) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its status, body, headers (lower case) and how far the server's clock is off, in seconds.

    `skew_seconds` is positive where the server's clock is ahead. It is good to about a second, because
    the Date header has no fractions.
    """

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
            value: object = json.loads(self.body)
            if _HALF_CHARACTER.search(self.body):
                # JSON may hold half a character (RFC 8259, 8.2): nothing could be hashed or kept with it.
                value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
            return value
        except (ValueError, RecursionError) as error:
            raise SourceFailedError(f"the answer is not JSON: {str(error)[:120]}") from error

    def fields(self) -> dict[str, object]:
        """The body as a JSON object.

        Raises:
            SourceFailedError: it is none.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise SourceFailedError("the answer is not a JSON object")
        return value

    def text(self) -> str:
        """The body as text, at most 2,000 characters, without secrets."""
        return redacted(self.body[:2_000].decode("utf-8", "replace")).strip()


class HttpClient:
    """Asks one endpoint. Connections are kept; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, governor: Governor | None = None) -> None:
        self.endpoint = endpoint
        self.governor = governor or Governor(endpoint.name, endpoint.limits)
        self._lock = threading.Lock()
        self._open: tuple[httpx.Client, Deadline] | None = None

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        accept: tuple[int, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """GET below the endpoint's URL; statuses of `accept` are answers too, not failures.

        Raises:
            SourceFailedError: no answer in time, one too large, or a status that is a failure.
        """
        return self.governor.run(lambda: self._request(path, accept, params=params, headers=headers))

    def search(self, path: str, form: Params, *, accept: tuple[int, ...] = ()) -> Response:
        """POST a query that is too long for a URL, as a form; only for paths that are read-only.

        Raises:
            SourceFailedError: as with `get`.
        """
        data = {name: str(value) for name, value in form.items()}
        return self.governor.run(lambda: self._request(path, accept, data=data))

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._open is not None:
                self._open[0].close()
                self._open = None

    def _opened(self) -> tuple[httpx.Client, Deadline]:
        with self._lock:
            if self._open is None:
                import httpx

                from connectors.deadline import Deadline, DeadlineTransport

                end, deadline = self.endpoint, Deadline()
                secure = any(url.lower().startswith("https:") for url in (end.url, end.proxy or ""))
                # Reading the system's certificates takes a tenth of a second: only where they are needed.
                context = end.tls() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                client = httpx.Client(
                    base_url=end.url.rstrip("/") + "/",
                    headers={"Accept-Encoding": "gzip, deflate", **end.headers},
                    auth=end.basic,
                    timeout=end.limits.timeout_seconds,
                    transport=DeadlineTransport(deadline, context, end.limits.concurrent, end.proxy),
                    follow_redirects=False,
                    trust_env=False,
                )
                self._open = client, deadline
            return self._open

    def _request(
        self,
        path: str,
        accept: tuple[int, ...],
        *,
        params: Params | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        import httpx

        try:
            client, deadline = self._opened()
            deadline.start(self.endpoint.limits.timeout_seconds)
            began = datetime.now(UTC)
            sent = {**(headers or {}), **self._bearer()}
            method = "GET" if data is None else "POST"
            with client.stream(method, path.lstrip("/"), params=params, data=data, headers=sent) as answer:
                skew = _skew(answer.headers, began)
                _refuse_packing(answer.headers)
                body = self._body(answer)
                if answer.status_code >= 300 and answer.status_code not in accept:
                    raise _failure(answer.status_code, answer.headers, body)
                return Response(answer.status_code, body, dict(answer.headers), skew)
        except httpx.TimeoutException as error:
            limit = self.endpoint.limits.timeout_seconds
            raise SourceFailedError(f"no whole answer within {limit:g} s") from error
        except httpx.HTTPError as error:
            if _sent_amiss(error):  # the library's words quote the header, which may be a secret
                raise SourceFailedError(_AMISS, counts=False) from None
            raise SourceFailedError(_unreachable(error), retry=True) from error
        except (httpx.InvalidURL, ValueError, OSError) as error:
            if isinstance(error, UnicodeError):  # it quotes what could not be sent
                raise SourceFailedError(_AMISS, counts=False) from None
            raise SourceFailedError(f"cannot ask: {redacted(str(error))[:160]}", counts=False) from error

    def _bearer(self) -> dict[str, str]:
        file = self.endpoint.bearer_file
        return {} if file is None else {"Authorization": f"Bearer {Path(file).read_text().strip()}"}

    def _body(self, answer: httpx.Response) -> bytes:
        """The body, as long as it is not too large, unpacked or not."""
        most = self.endpoint.limits.most_bytes
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > most:
                self.governor.received(size)
                raise SourceFailedError(f"the answer is larger than {most / 1024 / 1024:g} MiB", counts=False)
            parts.append(part)
        self.governor.received(size)
        return b"".join(parts)


def _refuse_packing(headers: Mapping[str, str]) -> None:
    """Refuse what is packed twice, or tighter than gzip: a few bytes of it fill all memory."""
    packing = headers.get("content-encoding", "").strip().lower()
    if packing not in _UNPACKED:
        raise SourceFailedError(f"the answer is packed as {packing[:40]!r}; only gzip is read", counts=False)


def _sent_amiss(error: Exception) -> bool:
    """Whether it is our own request that is no HTTP, and nothing that the server did."""
    import httpcore

    return isinstance(error.__cause__, httpcore.LocalProtocolError)


def _failure(status: int, headers: Mapping[str, str], body: bytes) -> SourceFailedError:
    if 300 <= status < 400:
        return SourceFailedError(_redirect(status, headers.get("location", "")), counts=False)
    said = " ".join(redacted(body[:2_000].decode("utf-8", "replace")).split())[:200]
    meaning = _MEANING.get(status, f"status {status}")
    return SourceFailedError(
        f"{meaning}: {said}" if said else meaning,
        retry=status in _RETRIED,
        retry_after=_retry_after(headers.get("retry-after")),
        counts=status >= 500 or status == 429,
    )


def _redirect(status: int, location: str) -> str:
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    target = f" to {host}" if host else ""
    return f"redirected{target} ({status}): give the final address, and credentials if that is a sign-in page"


def _retry_after(written: str | None) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110, section 10.2.3): a number or a date."""
    if written is None:
        return None
    text = written.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _skew(headers: Mapping[str, str], began: datetime) -> float | None:
    """How far the server's Date lies after our clock, in seconds; None where it does not say.

    The Date is cut to the second and was written between the request and now: both are halved.
    """
    try:
        date = parsedate_to_datetime(headers["date"])
        middle = began + (datetime.now(UTC) - began) / 2
        return (date - middle).total_seconds() + 0.5
    except (KeyError, TypeError, ValueError):
        return None


def _unreachable(error: Exception) -> str:
    return f"not reachable: {redacted(str(error))[:160] or type(error).__name__}"
