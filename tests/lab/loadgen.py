"""The shop's customers: an open-loop stream of requests with a daily-like shape, compressed to minutes.

Open loop, so that a slow shop does not slow its customers down. Its rate and extra traffic come from a file
that a scenario may rewrite. It has no telemetry: it stands outside the shop.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

PERIOD_SECONDS = 420.0
MOST_IN_FLIGHT = 150


@dataclass(frozen=True)
class Demand:
    """What the customers want, per second."""

    rate: float = 7.0
    exports: float = 0.0
    export_rows: int = 20_000
    customers: int = 1_000
    products: int = 500
    categories: int = 40

    def save(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)


@dataclass(frozen=True)
class Wish:
    """One request of one customer."""

    method: str
    path: str
    query: dict[str, str | int]
    body: dict[str, object] | None = None


def email(customer: int) -> str:
    return f"customer{customer}@mail.example"


def shape(elapsed: float, noise: float) -> float:
    """The day's curve: one wave a period, with slow noise upon it."""
    return max(0.1, 1 + 0.35 * math.sin(2 * math.pi * elapsed / PERIOD_SECONDS) + noise)


class Customers:
    """Draws wishes; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._noise = 0.0

    def noise(self) -> float:
        self._noise = 0.9 * self._noise + self.dice.gauss(0, 0.04)
        return self._noise

    def wish(self, demand: Demand) -> Wish:
        customer = self.dice.randint(1, demand.customers)
        product = 1 + int((demand.products - 1) * self.dice.random() ** 2)
        who: dict[str, str | int] = {"customer_id": customer, "customer_email": email(customer)}
        kind = self.dice.choices(("browse", "look", "add", "order", "history"), (30, 24, 20, 14, 12))[0]
        match kind:
            case "browse":
                return Wish("GET", "/api/products", {"category": self.dice.randint(1, demand.categories)})
            case "look":
                return Wish("GET", f"/api/products/{product}", {})
            case "add":
                return Wish("POST", "/api/cart/items", {}, {"cart_id": customer, "product_id": product})
            case "order":
                return Wish("POST", "/api/orders", {}, {**who, "cart_id": customer})
            case _:
                return Wish("GET", "/api/orders", who)


def export_wish(demand: Demand) -> Wish:
    return Wish("GET", "/api/orders/export", {"rows": demand.export_rows})


class Load:
    """Sends wishes to the gateway at the rate the demand file asks for."""

    def __init__(self, gateway: Path, demand: Path, seed: int) -> None:
        self._gateway = gateway
        self._demand = demand
        self._customers = Customers(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=MOST_IN_FLIGHT, max_keepalive_connections=20)
        async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as client:
            began = time.monotonic()
            await asyncio.gather(self._shop(client, began), self._export(client))

    async def _shop(self, client: httpx.AsyncClient, began: float) -> None:
        while True:
            demand = self._read()
            rate = demand.rate * shape(time.monotonic() - began, self._customers.noise())
            await asyncio.sleep(self._customers.dice.expovariate(rate))
            self._spawn(client, self._customers.wish(demand))

    async def _export(self, client: httpx.AsyncClient) -> None:
        while True:
            demand = self._read()
            await asyncio.sleep(1 / demand.exports if demand.exports else 1)
            if demand.exports:
                self._spawn(client, export_wish(demand))

    def _spawn(self, client: httpx.AsyncClient, wish: Wish) -> None:
        if len(self._tasks) < MOST_IN_FLIGHT:
            task = asyncio.create_task(self._send(client, wish))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, client: httpx.AsyncClient, wish: Wish) -> None:
        base = json.loads(self._gateway.read_text())["gateway"]
        try:
            await client.request(wish.method, base + wish.path, params=wish.query, json=wish.body)
        except httpx.HTTPError as error:
            print(f"{wish.method} {wish.path}: {type(error).__name__}", file=sys.stderr, flush=True)

    def _read(self) -> Demand:
        return Demand(**json.loads(self._demand.read_text()))


def main() -> None:
    registry, demand, seed = sys.argv[1:]
    asyncio.run(Load(Path(registry), Path(demand), int(seed)).run())


if __name__ == "__main__":
    main()
