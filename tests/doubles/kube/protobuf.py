"""The one message that kubectl sends as protobuf: a review of its own rights.

Field numbers: k8s.io/apimachinery/pkg/runtime/generated.proto (Unknown) and
k8s.io/api/authorization/v1/generated.proto.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
_MAGIC = b"k8s\x00"
_ATTRIBUTES = {
    1: "namespace",
    2: "verb",
    3: "group",
    4: "version",
    5: "resource",
    6: "subresource",
    7: "name",
}


def is_protobuf(body: bytes) -> bool:
    return body.startswith(_MAGIC)


def review(body: bytes) -> Object:
    """The review as JSON has it."""
    unknown = _fields(body.removeprefix(_MAGIC))
    about = {number: value.decode() for number, value in _fields(unknown[1]).items()}
    spec = _fields(_fields(unknown[2]).get(2, b""))
    attributes = {
        _ATTRIBUTES[number]: value.decode()
        for number, value in _fields(spec.get(1, b"")).items()
        if number in _ATTRIBUTES and value
    }
    return {"kind": about[2], "apiVersion": about[1], "spec": {"resourceAttributes": attributes}}


def _fields(message: bytes) -> dict[int, bytes]:
    """The fields that have a length; the last of each number."""
    found, at = {}, 0
    while at < len(message):
        tag, at = _varint(message, at)
        size, at = _varint(message, at)
        if tag & 7 == 2:
            found[tag >> 3] = message[at : at + size]
            at += size
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
