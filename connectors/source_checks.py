"""What `doctor` says alike of every source that is asked over HTTP: let in, fresh, and its clock right."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from connectors.governor import SourceFailedError
from connectors.http import Endpoint
from connectors.live import Check

_SKEW_SECONDS = 5.0


def timed(check: Callable[[], Check]) -> Check:
    """The check, with the seconds it took."""
    began = time.monotonic()
    return replace(check(), seconds=time.monotonic() - began)


def refused_check(failure: SourceFailedError, endpoint: Endpoint, kind: str, seconds: float) -> Check:
    """Why a source did not answer at all, and what would mend that."""
    reason = failure.reason
    if "(401)" in reason or "no org id" in reason:
        fix = (
            f"give {kind} credentials that are accepted (token, basic, or the tenant header X-Scope-OrgID): "
            "the ones configured are missing, wrong or expired"
        )
        return Check("allowed", "failed", reason, fix, seconds)
    if "(403)" in reason:
        return Check("allowed", "failed", reason, f"grant these credentials read access to {kind}", seconds)
    if "redirected" in reason:
        return Check("reachable", "failed", reason, "set url to the address behind the sign-in page", seconds)
    if "(404)" in reason or "not JSON" in reason:
        fix = f"{endpoint.url} answers, but not as {kind}: correct url, with its path prefix if it has one"
        return Check("reachable", "failed", reason, fix, seconds)
    return Check("reachable", "failed", reason, reach(endpoint.url), seconds)


def reach(where: str) -> str:
    """What to look at where nobody answers at all."""
    return f"check that {where} can be reached from here: name, port, network policy, TLS"


def fresh_check(what: str, newest: float | None, now: datetime, most_seconds: float, fix: str) -> Check:
    """How old the newest trace or line is."""
    if newest is None:
        return Check("fresh", "warning", f"no {what} within the last hour", fix)
    age = now.timestamp() - newest
    found = f"the newest {what} is {max(age, 0.0):.0f} s old"
    return Check("fresh", "ok", found) if age <= most_seconds else Check("fresh", "warning", found, fix)


def clock_check(skew_seconds: float | None) -> Check:
    """How far the source's clock is off."""
    if skew_seconds is None:
        return Check(
            "clock", "warning", "the source does not tell its time", "let its proxy pass the Date header"
        )
    if abs(skew_seconds) <= _SKEW_SECONDS:
        return Check("clock", "ok", f"off by {abs(skew_seconds):.0f} s")
    way = "ahead of" if skew_seconds > 0 else "behind"
    found = f"{abs(skew_seconds):.0f} s {way} this machine"
    return Check("clock", "warning", found, "synchronise both clocks (NTP): evidence is compared by time")
