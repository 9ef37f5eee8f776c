"""A double of a status page in Statuspage's format: summary and the most recent fifty incidents."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]


class StatusPageDouble:
    """`incidents` are the newest first; `plain` makes it a page that is not of this format."""

    def __init__(self, name: str = "Payments Inc.") -> None:
        self.page = {
            "id": "4g2my7tbhjsq",
            "name": name,
            "url": "https://status.example",
            "time_zone": "Etc/UTC",
        }
        self.incidents: list[Json] = []
        self.maintenances: list[Json] = []
        self.plain = False
        self.app = Starlette(
            routes=[
                Route("/api/v2/summary.json", self._summary),
                Route("/api/v2/incidents.json", self._recent),
            ]
        )

    def add(self, name: str, updates: list[tuple[str, str, str]], component: str = "API") -> None:
        """An incident by its updates, each a time, a status and a text."""
        newest = updates[-1]
        made = [
            {
                "id": f"{name}-{n}", "status": status, "body": body, "created_at": at, "display_at": at,
                "affected_components": [
                    {"code": "c1", "name": component, "old_status": "operational",
                     "new_status": "operational" if status == "resolved" else "partial_outage"}
                ] if component else None,
            }
            for n, (at, status, body) in enumerate(updates)
        ]  # fmt: skip
        incident = {
            "id": name, "name": name, "status": newest[1], "impact": "major", "created_at": updates[0][0],
            "started_at": updates[0][0], "resolved_at": newest[0] if newest[1] == "resolved" else None,
            "incident_updates": made[::-1], "components": [],
        }  # fmt: skip
        self.incidents.insert(0, incident)

    async def _summary(self, _request: Request) -> Response:
        if self.plain:
            return HTMLResponse("<html>all is well</html>")
        unresolved = [each for each in self.incidents if each["status"] != "resolved"]
        status = {"indicator": "major", "description": "Partial System Outage"} if unresolved else {
            "indicator": "none", "description": "All Systems Operational",
        }  # fmt: skip
        body = {"page": self.page, "components": [], "incidents": unresolved, "status": status}
        return JSONResponse({**body, "scheduled_maintenances": self.maintenances})

    async def _recent(self, _request: Request) -> Response:
        return JSONResponse({"page": self.page, "incidents": self.incidents[:50]})
