"""Who speaks: signatures, bearer tokens and basic authentication, compared in constant time. Fails closed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

LEAST_SECRET = 16
"""Characters a secret has at least: a shorter one can be guessed."""
_MOST_SIGNATURES = 20


def signed(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether one of the header's signatures (`v1=HEX,v1=HEX`) is the body's, by one of the secrets.

    PagerDuty signs with the old secret and the new one while a secret is replaced; both may be configured.
    https://developer.pagerduty.com/docs/verifying-webhook-signatures
    """
    said = [each.strip() for each in header.split(",")][:_MOST_SIGNATURES]
    found = False
    for secret in secrets:
        right = b"v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        for each in said:
            # Every pair is compared, so that the time does not tell which secret it was.
            found |= hmac.compare_digest(each.encode("latin-1", "replace"), right)
    return found


def bears(header: str, token: str) -> bool:
    """Whether an Authorization header carries the bearer token."""
    scheme, _, said = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(said.strip().encode(), token.encode())


def basic(header: str, username: str, password: str) -> bool:
    """Whether an Authorization header carries the user's name and password (RFC 7617)."""
    scheme, _, said = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        pair = base64.b64decode(said.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(pair, f"{username}:{password}".encode())
