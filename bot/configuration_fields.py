"""The kinds of field a configuration is made of: secrets, durations, addresses, limits.

A secret is never written into the file: it is `{env: NAME}` or `{file: PATH}`, and is looked up while
the file is read, so that a missing one is told with its line. It never appears in an error or a repr.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from connectors.contract import Frozen
from connectors.governor import Limits
from connectors.redaction import SECRET_NAME

_MOST_SECRET_BYTES = 64 * 1024
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PASSWORD = re.compile(r"password\s*=|://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)
_REFERENCE = "write {env: NAME} or {file: PATH}"


@dataclass(frozen=True)
class Vault:
    """Where secrets are looked up: the environment, and files beside the configuration."""

    directory: Path
    environment: Callable[[str], str | None]
    closed: bool = False
    """Only look whether references make sense: their secrets are nobody's business yet."""

    def secret(self, reference: Mapping[object, object]) -> str:
        """The secret a reference names.

        Raises:
            PydanticCustomError: the reference makes no sense, or leads to nothing.
        """
        if self.closed and set(reference) in ({"env"}, {"file"}):
            return ""
        if set(reference) == {"env"}:
            return self._variable(str(reference["env"]))
        if set(reference) == {"file"}:
            return self._file(str(reference["file"]))
        raise wrong(f"a secret is named by one of two keys: {_REFERENCE}")

    def beside(self, written: str) -> Path:
        """The path that is meant: `~` is a home directory, and what is relative begins at the configuration.

        Raises:
            PydanticCustomError: nobody is called as `~NAME` says.
        """
        try:
            return self.directory / Path(written).expanduser()
        except RuntimeError as error:
            raise wrong(f"the home directory of {written} is not known") from error

    def _variable(self, name: str) -> str:
        value = self.environment(name)
        if not value:
            raise wrong(f"the environment variable {name} is {'empty' if value == '' else 'not set'}")
        return value

    def _file(self, written: str) -> str:
        path = self.beside(written)
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_SECRET_BYTES + 1)
            text = data.decode().rstrip("\r\n")
        except OSError as error:
            raise wrong(f"the file {written} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise wrong(f"the file {written} holds no text") from error
        if not text or len(data) > _MOST_SECRET_BYTES:
            raise wrong(f"the file {written} is {'too large for a secret' if text else 'empty'}")
        return text


def wrong(why: str) -> PydanticCustomError:
    """A complaint about a field, in words."""
    # The braces of a template would be read as fields.
    return PydanticCustomError("configuration", "{why}", {"why": why})


def _revealed(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Mapping) and isinstance(info.context, Vault):
        return info.context.secret(value)
    raise wrong(f"a secret is never written here: {_REFERENCE}")


def _beside(value: str, info: ValidationInfo) -> str:
    return str(info.context.beside(value)) if isinstance(info.context, Vault) else value


def _seconds(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise wrong("a duration is a number and a unit, such as 10s, 30m, 2h or 1d")
    seconds = float(found[1]) * _UNIT[found[2]]
    if not 0 < seconds <= 366 * 86400:
        raise wrong("a duration lies between 1ms and 366d")
    return timedelta(seconds=seconds)


def duration(text: str) -> timedelta:
    """What a text such as `30m` means.

    Raises:
        ValueError: it is no duration; the message says what one looks like.
    """
    try:
        found = _seconds(text)
    except PydanticCustomError as error:
        raise ValueError(error.message()) from error
    assert isinstance(found, timedelta)
    return found


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise wrong("not an address: it starts with http:// or https:// and names a host") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise wrong("not an address: it starts with http:// or https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise wrong("no credentials in an address: use token or basic")
    if parts.query or parts.fragment:
        raise wrong("an address ends before ? and #")
    return value


def _header(value: object, handler: Callable[[object], object], info: ValidationInfo) -> object:
    return handler(_revealed(value, info) if isinstance(value, Mapping) else value)


def _dsn(value: object, handler: Callable[[object], object], info: ValidationInfo) -> object:
    if isinstance(value, Mapping):
        return handler(_revealed(value, info))
    if isinstance(value, str) and _PASSWORD.search(value):
        raise wrong(f"a connection string with a password is a secret: {_REFERENCE}")
    return handler(value)


_SECRET_SCHEMA = {
    "oneOf": [
        {
            "type": "object",
            "properties": {key: {"type": "string"}},
            "required": [key],
            "additionalProperties": False,
            "description": about,
        }
        for key, about in (("env", "an environment variable"), ("file", "a file, beside this one"))
    ]
}

Secret = Annotated[SecretStr, BeforeValidator(_revealed), WithJsonSchema(_SECRET_SCHEMA)]
Duration = Annotated[
    timedelta, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": _DURATION.pattern})
]
HttpUrl = Annotated[str, AfterValidator(_address)]
LocalPath = Annotated[str, Field(min_length=1), AfterValidator(_beside)]
Header = Annotated[
    SecretStr,
    WrapValidator(_header),
    WithJsonSchema({"oneOf": [{"type": "string"}, *_SECRET_SCHEMA["oneOf"]]}),
]
Dsn = Annotated[
    SecretStr,
    WrapValidator(_dsn),
    WithJsonSchema({"oneOf": [{"type": "string"}, *_SECRET_SCHEMA["oneOf"]]}),
]
"""A connection string: written out only where it holds no password."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class BoundsFields(Frozen):
    """What one source may be asked."""

    timeout: Duration = timedelta(seconds=10)
    concurrent: int = Field(default=4, ge=1, le=64)
    most_mib: int = Field(default=64, ge=1, le=1024)

    def limits(self) -> Limits:
        """The limits as connectors take them."""
        return Limits(
            timeout_seconds=self.timeout.total_seconds(),
            concurrent=self.concurrent,
            most_bytes=self.most_mib * 1024 * 1024,
        )


class BasicFields(Frozen):
    """HTTP basic authentication."""

    username: str
    password: Secret


class CertificateFields(Frozen):
    """A client certificate and its key, in PEM files."""

    certificate: LocalPath
    key: LocalPath


def no_literal_secret(headers: Mapping[str, object], written: object) -> None:
    """Refuse a header that is written out although its name says that it is a secret."""
    given = written if isinstance(written, Mapping) else {}
    for name in headers:
        if SECRET_NAME.search(name) and isinstance(given.get(name), str):
            raise wrong(f"{name} is a secret: {_REFERENCE}")
