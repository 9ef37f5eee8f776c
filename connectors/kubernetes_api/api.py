"""Requests to the Kubernetes API: one at a time, bounded in time and size, each failure one clear line.

Must not decide what to ask. Bodies are read in pieces: the client's own time-out is that of a single read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connectors.governor import Governor, Limits, SourceFailedError
from connectors.kubernetes_api.recent import Recent
from connectors.kubernetes_api.resources import Grant, Resource, listing
from connectors.kubernetes_api.wall import Access, Door
from connectors.kubernetes_json import Object, listed, mapping, number, text
from connectors.redaction import redacted

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_PAGE = 500
_RESTARTS = 2
_FRESH_SECONDS = 10.0
METADATA = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)
_RETRIED = frozenset({429, 500, 502, 503, 504})
# A kubeconfig is a stranger's file: the client falls over odd ones in every way.
_ODD = (ValueError, TypeError, LookupError, AttributeError)
_BOUNDARY = "docs/sources/kubernetes-rbac.yaml"

Parameters = Sequence[tuple[str, str]]


class RefusedError(SourceFailedError):
    """The API server knows us, and we may not (403)."""

    def __init__(self, grant: Grant) -> None:
        super().__init__(f"may not {grant.what}; grant it: {grant.rule} ({_BOUNDARY})", counts=False)
        self.grant = grant


class AbsentError(SourceFailedError):
    """There is no such kind or object (404)."""


class ExpiredError(SourceFailedError):
    """The list that was being paged through is no longer kept (410)."""


class CredentialsError(SourceFailedError):
    """The API server does not know us (401)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body."""

    body: bytes

    def json(self) -> Object:
        """The body as a JSON object.

        Raises:
            SourceFailedError: it is none.
        """
        try:
            document = json.loads(self.body)
            if b"\\ud" in self.body.lower():
                # Half of a surrogate pair is no character, and could be neither stored nor shown.
                whole = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
                document = json.loads(whole)
        except (ValueError, RecursionError) as error:
            raise SourceFailedError(f"the answer is not JSON: {str(error)[:120]}", counts=False) from error
        if not isinstance(document, dict):
            raise SourceFailedError("the answer is not a JSON object", counts=False)
        return document


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects of one kind. `cut`: there were more than may be read."""

    items: tuple[Object, ...]
    cut: bool = False


class Api:
    """Asks one API server. Safe to use from several threads; connections are kept.

    `clock` is the server's own time, as its last answer told it.
    """

    def __init__(self, name: str, access: Access, limits: Limits) -> None:
        self.limits = limits
        self.governor = Governor(name, limits)
        self.door = Door(access, limits.concurrent)
        self.clock: datetime | None = None
        self._recent: Recent[Listing] = Recent(_FRESH_SECONDS)

    def get(
        self,
        path: str,
        parameters: Parameters = (),
        *,
        grant: Grant | None = None,
        accept: str = "application/json",
    ) -> Answer:
        """GET; `grant` is the permission it needs.

        Raises:
            SourceFailedError: no answer in time, one too large, or a failure.
        """
        return self.governor.run(lambda: self._renewed("GET", path, parameters, (accept, None), grant))

    def review(self, kind: str, body: Object) -> Object:
        """What the API server says of our own rights (kind: "selfsubjectaccessreviews"). Changes nothing.

        Raises:
            SourceFailedError: no answer.
        """
        path = f"/apis/authorization.k8s.io/v1/{kind}"
        return self.governor.run(
            lambda: self._renewed("POST", path, (), ("application/json", body), None)
        ).json()

    def list(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        parameters: Parameters = (),
        metadata: bool = False,
        most: int = 20_000,
    ) -> Listing:
        """All objects of a kind, page by page; a list that was read moments ago is not read again.

        Raises:
            SourceFailedError: it could not be read to its end.
        """
        how = (tuple(parameters), metadata, most)
        return self._recent.get((resource, namespace, how), lambda: self._whole(resource, namespace, how))

    def close(self) -> None:
        """Give the connections back."""
        self.door.close()

    def _whole(self, resource: Resource, namespace: str | None, how: tuple[Parameters, bool, int]) -> Listing:
        """The list to its end; from the start again when it expires meanwhile."""
        for _ in range(_RESTARTS):
            try:
                return self._pages(resource, namespace, how)
            except ExpiredError:
                continue
        return self._pages(resource, namespace, how)

    def _pages(self, resource: Resource, namespace: str | None, how: tuple[Parameters, bool, int]) -> Listing:
        parameters, metadata, most = how
        items: list[Object] = []
        token = ""
        deadline = time.monotonic() + 2 * self.limits.timeout_seconds
        while True:
            # The watch cache answers without paging; a continued list names its own version.
            page = [("continue", token)] if token else [("resourceVersion", "0")] if resource.cached else []
            document = self.get(
                resource.path(namespace if resource.namespaced else None),
                [*parameters, ("limit", str(_PAGE)), *page],
                grant=listing(resource, namespace),
                accept=METADATA if metadata else "application/json",
            ).json()
            if not isinstance(document.get("items"), list):
                raise SourceFailedError(f"the answer is no list of {resource.plural}", counts=False)
            items += ({**item, "kind": resource.kind} for item in listed(document, "items"))
            token = text(mapping(document, "metadata"), "continue")
            if not token or len(items) >= most or time.monotonic() > deadline:
                return Listing(tuple(items[:most]), cut=bool(token) or len(items) > most)

    def _renewed(
        self,
        method: str,
        path: str,
        parameters: Parameters,
        sent: tuple[str, Object | None],
        grant: Grant | None,
    ) -> Answer:
        """One request; with the configuration read anew where its credentials had run out."""
        client = self._client()
        try:
            return self._request(client, (method, path, parameters), sent, grant)
        except CredentialsError:
            self.door.renew(client)
            return self._request(self._client(), (method, path, parameters), sent, grant)

    def _client(self) -> ApiClient:
        import yaml
        from kubernetes.config import ConfigException

        try:
            return self.door.client()
        except (
            ConfigException,
            yaml.YAMLError,
            OSError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        ) as error:
            # A kubeconfig is a stranger's file: the client falls over odd ones in every way.
            said = redacted(str(error))[:200] or type(error).__name__
            raise SourceFailedError(
                f"the cluster's configuration cannot be used: {said}", counts=False
            ) from error

    def _request(
        self,
        client: ApiClient,
        asked: tuple[str, str, Parameters],
        sent: tuple[str, Object | None],
        grant: Grant | None,
    ) -> Answer:
        import urllib3
        from kubernetes.client import ApiException

        method, path, parameters = asked
        accept, body = sent
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        deadline = time.monotonic() + self.limits.timeout_seconds
        try:
            request: Any = client.param_serialize(
                method, quote(path), {}, list(parameters), headers, body=body, auth_settings=["BearerToken"]
            )
            send: Any = client.call_api
            answer: Any = send(*request, _request_timeout=self.limits.timeout_seconds).response
        except urllib3.exceptions.NewConnectionError as error:
            raise SourceFailedError(f"not reachable: {_reason(error)}", retry=True) from error
        except (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise SourceFailedError(f"no answer within {self.limits.timeout_seconds:g} s") from error
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            raise SourceFailedError(f"not reachable: {_reason(error)}", retry=True) from error
        try:
            read = self._body(answer, deadline)
        finally:
            answer.release_conn()
        self.governor.received(len(read))
        if answer.status >= 300:
            raise _failure(answer.status, answer.headers, read, grant)
        self.clock = _clock(answer.headers) or self.clock
        return Answer(read)

    def _body(self, answer: Any, deadline: float) -> bytes:
        import urllib3

        parts: list[bytes] = []
        size = 0
        try:
            while part := answer.read1(262_144):
                parts.append(part)
                size += len(part)
                if size > self.limits.most_bytes:
                    answer.close()
                    limit = self.limits.most_bytes / 1024 / 1024
                    raise SourceFailedError(f"the answer is larger than {limit:g} MiB", counts=False)
                if time.monotonic() > deadline:
                    answer.close()
                    raise SourceFailedError(f"half an answer after {self.limits.timeout_seconds:g} s")
        except urllib3.exceptions.ReadTimeoutError as error:
            raise SourceFailedError(f"half an answer after {self.limits.timeout_seconds:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceFailedError(f"the answer broke off: {_reason(error)}", retry=True) from error
        return b"".join(parts)


def _failure(status: int, headers: Mapping[str, str], body: bytes, grant: Grant | None) -> SourceFailedError:
    """What a status means; the server's words are kept short and without secrets."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}
    said = redacted(text(told, "message") or body[:500].decode("utf-8", "replace"))
    said = " ".join(said.split())[:200]
    if status == 401:
        return CredentialsError(
            "the credentials were refused (401): renew the token or the kubeconfig", counts=False
        )
    if status == 403 and grant is not None:
        return RefusedError(grant)
    if status == 404:
        return AbsentError(f"not found (404): {said}", counts=False)
    if status == 410:
        return ExpiredError(f"the list expired while it was read (410): {said}", retry=True, counts=False)
    if 300 <= status < 400:
        return SourceFailedError(f"redirected ({status}); give the final address", counts=False)
    return SourceFailedError(
        f"status {status}: {said}" if said else f"status {status}",
        retry=status in _RETRIED,
        retry_after=_wait(headers, told),
        counts=status >= 500 or status == 429,
    )


def _wait(headers: Mapping[str, str], told: Object) -> float | None:
    """Seconds that the server asks to be left alone for: Retry-After, or retryAfterSeconds of the Status."""
    written = (headers.get("Retry-After") or "").strip()
    seconds = (
        int(written[:9]) if written.isdecimal() else number(mapping(told, "details"), "retryAfterSeconds")
    )
    return float(seconds) if seconds is not None else None


def _clock(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """The end of the error's chain of causes says most."""
    said = str(getattr(error, "reason", None) or error)
    return redacted(" ".join(said.split()))[:160] or type(error).__name__
