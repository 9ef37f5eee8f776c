"""The payment provider: an outside company's HTTP service, which the shop calls but does not run.

Its pace comes from a file that a scenario may rewrite. It has no telemetry: the shop sees only its calls.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

HOST = "api.payprovider.example"


@dataclass(frozen=True)
class Pace:
    """How long an answer takes and how often it fails."""

    seconds: float = 0.03
    spread: float = 0.25
    failing: float = 0.0

    def save(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)


def application(pace_file: Path, seed: int) -> Starlette:
    dice = random.Random(seed)

    async def charge(request: Request) -> Response:
        await request.body()
        pace = Pace(**json.loads(pace_file.read_text()))
        await asyncio.sleep(pace.seconds * dice.lognormvariate(0, pace.spread))
        if dice.random() < pace.failing:
            return JSONResponse({"error": "temporarily unavailable"}, 503)
        return JSONResponse({"id": f"ch_{uuid.UUID(int=dice.getrandbits(128)).hex[:20]}"}, 201)

    async def healthz(request: Request) -> Response:
        del request
        return Response("ok")

    return Starlette(routes=[Route("/v1/charges", charge, methods=["POST"]), Route("/healthz", healthz)])


def main() -> None:
    port, pace_file, seed = sys.argv[1:]
    uvicorn.run(
        application(Path(pace_file), int(seed)),
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
