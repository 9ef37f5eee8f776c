"""An answer as bytes and back: one canonical form, which is hashed, and its compressed form, which is kept.

The canonical form names its own type, so that a store needs to know nothing else. Small answers are
JSON with sorted keys; bulk answers are a JSON header and the arrays' own bytes. No pickle: what is read
back may come from someone else's case.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
import orjson

from connectors.answers import Answer, LogRecord, LogSet, SeriesKey, SeriesSet, SpanSet
from connectors.contract import Frozen
from connectors.errors import UndecodableAnswerError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MAGIC = b"firstcause/1\n"
_MOST_BYTES = 2**31
_LENGTHS = struct.Struct("<QQ")
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Parts:
    """An answer taken apart: what goes into the header (`plain`: text alone), and the arrays."""

    fields: Mapping[str, object]
    arrays: Mapping[str, Array]
    plain: bool = False


def canonical(answer: Answer) -> bytes:
    """The answer's canonical bytes: equal for equal answers, on every machine."""
    return b"".join(_chunks(answer))


def sha256(answer: Answer) -> str:
    """The digest of the canonical bytes, without making them all at once."""
    whole = hashlib.sha256()
    for chunk in _chunks(answer):
        whole.update(chunk)
    return whole.hexdigest()


def encode(answer: Answer) -> bytes:
    """The canonical bytes, compressed, to be stored."""
    import pyarrow as pa

    data = canonical(answer)
    packed = pa.Codec("zstd", compression_level=1).compress(data, asbytes=True)
    return _MAGIC + _LENGTHS.pack(len(data), len(packed)) + packed


def decode(data: bytes) -> Answer:
    """The answer that `encode` was given."""
    return from_canonical(unpack(data))


def unpack(data: bytes) -> bytes:
    """The canonical bytes inside what `encode` made: their digest is the reading's."""
    import pyarrow as pa

    try:
        size, packed = _LENGTHS.unpack_from(data, len(_MAGIC))
        body = data[len(_MAGIC) + _LENGTHS.size :]
        if not data.startswith(_MAGIC) or len(body) != packed or size > _MOST_BYTES:
            raise UndecodableAnswerError("these bytes are not a stored answer, or not all of it")
        return bytes(pa.Codec("zstd").decompress(body, decompressed_size=size, asbytes=True))
    except (struct.error, OSError, pa.ArrowException) as error:
        raise UndecodableAnswerError("these bytes are not a stored answer") from error


def from_canonical(data: bytes) -> Answer:
    """The answer behind canonical bytes."""
    try:
        start = len(_MAGIC) + _LENGTHS.size
        head, _ = _LENGTHS.unpack_from(data, len(_MAGIC))
        header = json.loads(data[start : start + head])
        arrays = _arrays(header["arrays"], memoryview(data)[start + head :])
        answer: Answer = _REBUILD[header["type"]](header["fields"], arrays)
    except (LookupError, TypeError, ValueError, RecursionError, struct.error) as error:
        raise UndecodableAnswerError("these bytes are no canonical answer") from error
    return answer


def _chunks(answer: Answer) -> Iterator[Buffer]:
    parts = _taken_apart(answer)
    shapes = {name: [array.dtype.str, list(array.shape)] for name, array in parts.arrays.items()}
    header = _header({"type": type(answer).__name__, "fields": parts.fields, "arrays": shapes}, parts.plain)
    arrays = [np.ascontiguousarray(parts.arrays[name]) for name in sorted(parts.arrays)]
    yield _MAGIC + _LENGTHS.pack(len(header), sum(array.nbytes for array in arrays))
    yield header
    for array in arrays:
        yield array.data.cast("B") if array.size else b""


def _header(header: Mapping[str, object], plain: bool) -> bytes:
    """The header as ASCII JSON with sorted keys.

    The fast encoder writes the same bytes wherever a text holds printable ASCII alone; numbers it may write
    in another way, and so it is only asked for text.
    """
    if plain:
        try:
            fast = orjson.dumps(header, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # half a character, which only the other one can write
            fast = b"\x7f"
        if fast.isascii() and b"\x7f" not in fast:
            return fast
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")


def _arrays(shapes: Mapping[str, tuple[str, list[int]]], data: memoryview) -> dict[str, Array]:
    found: dict[str, Array] = {}
    offset = 0
    for name in sorted(shapes):
        kind, shape = np.dtype(shapes[name][0]), shapes[name][1]
        if kind.hasobject:
            raise UndecodableAnswerError("an answer holds numbers only")
        count = int(np.prod(shape, dtype=np.int64))
        found[name] = np.frombuffer(data, dtype=kind, count=count, offset=offset).reshape(shape)
        offset += count * kind.itemsize
    return found


def _taken_apart(answer: Answer) -> _Parts:
    if isinstance(answer, SeriesSet):
        keys = [[key.metric, key.labels] for key in answer.keys]
        arrays = {"times": _little(answer.times), "values": _little(answer.values)}
        return _Parts({"keys": keys}, arrays, plain=True)
    if isinstance(answer, SpanSet):
        return _apart(answer, _SPAN_TEXTS, _SPAN_ARRAYS)
    if isinstance(answer, LogSet):
        columns = {name: [getattr(record, name) for record in answer.records] for name in _LOG_TEXTS}
        at = np.array([record.at for record in answer.records], dtype="<f8")
        return _Parts({**columns, "truncated": answer.truncated, "intervals": answer.intervals}, {"at": at})
    return _Parts(answer.model_dump(mode="json"), {})


_SPAN_TEXTS = ("trace", "span", "service", "name", "attributes", "events", "intervals")
_SPAN_ARRAYS = ("parent", "has_parent", "kind", "start", "end", "status", "weight")
_LOG_TEXTS = ("service", "severity", "body", "logger", "trace", "attributes")


def _apart(answer: SpanSet, texts: Iterable[str], arrays: Iterable[str]) -> _Parts:
    return _Parts(
        {name: getattr(answer, name) for name in texts},
        {name: _little(getattr(answer, name)) for name in arrays},
    )


def _little(array: Array) -> Array:
    """The array in little-endian order, whatever the machine."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _series(fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> SeriesSet:
    keys = tuple(SeriesKey(metric, _pairs(labels)) for metric, labels in fields["keys"])
    return SeriesSet(keys=keys, times=arrays["times"], values=arrays["values"])


def _spans(fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> SpanSet:
    texts: dict[str, Any] = {name: tuple(fields[name]) for name in _SPAN_TEXTS}
    texts["events"] = tuple(tuple(events) for events in fields["events"])
    texts["intervals"] = _pairs(fields["intervals"])
    columns: dict[str, Any] = {name: arrays[name] for name in _SPAN_ARRAYS}
    return SpanSet(**texts, **columns)


def _logs(fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> LogSet:
    columns = (fields[name] for name in _LOG_TEXTS)
    rows = zip(arrays["at"].tolist(), *columns, strict=True)
    return LogSet(tuple(LogRecord(*row) for row in rows), fields["truncated"], _pairs(fields["intervals"]))


def _pairs(listed: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(tuple(pair) for pair in listed)


def _model(kind: type[Frozen]) -> Callable[[Mapping[str, Any], Mapping[str, Array]], Any]:
    return lambda fields, _arrays: kind.model_validate(fields)


_REBUILD: dict[str, Callable[[Mapping[str, Any], Mapping[str, Array]], Any]] = {
    "SeriesSet": _series,
    "SpanSet": _spans,
    "LogSet": _logs,
    **{kind.__name__: _model(kind) for kind in get_args(Answer) if issubclass(kind, Frozen)},
}
