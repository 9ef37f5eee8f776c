"""A Vega-Lite specification as PNG, rendered by a process of its own: at worst that one dies, or is ended.

The renderer holds the interpreter's lock for a second or two, in which a serving process would hear nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from bot.charts import Spec

MOST_BYTES: Final = 1_000_000
SECONDS: Final = 30.0
_SCALES: Final = (2.0, 1.0)
_RENDER: Final = """
import os, sys, vl_convert
os.nice(5)
drawn = vl_convert.vegalite_to_png(sys.stdin.read(), scale=float(sys.argv[1]), allowed_base_urls=[])
sys.stdout.buffer.write(drawn)
"""
_PNG: Final = b"\x89PNG\r\n\x1a\n"


class RenderingError(Exception):
    """There is no picture; says why."""


def png(specification: Spec, seconds: float = SECONDS) -> bytes:
    """The picture, of a megabyte at most; the same specification gives the same bytes.

    Raises:
        RenderingError: the renderer refused it, died, took longer than `seconds`, or drew too much.
    """
    for scale in _SCALES:
        drawn = _rendered(specification, scale, seconds)
        if len(drawn) <= MOST_BYTES:
            return drawn
    raise RenderingError(f"the picture has {len(drawn)} bytes, more than {MOST_BYTES}")


def _rendered(specification: Spec, scale: float, seconds: float) -> bytes:
    # Isolated and without our environment: secrets are no business of a renderer's.
    command = [sys.executable, "-I", "-c", _RENDER, str(scale)]
    written = json.dumps(specification).encode()
    try:
        done = subprocess.run(command, input=written, capture_output=True, timeout=seconds, env={})  # noqa: S603 - ours
    except subprocess.TimeoutExpired as error:
        raise RenderingError(f"it took longer than {seconds:g} s") from error
    except OSError as error:
        raise RenderingError(f"no renderer could be begun: {error.strerror}") from error
    if done.returncode != 0 or not done.stdout.startswith(_PNG):
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise RenderingError(f"the renderer ended with {done.returncode}: {(words or ['no word'])[-1][:200]}")
    return done.stdout
