"""A report has always scanned the orders for a large part of a second, and that is not what is wrong now.

Catalogue's new version burns CPU, as in `cpu_burn`; the report, by far the heaviest statement, goes on as
ever.
"""

from __future__ import annotations

from tests.lab.scenarios.cpu_burn import CpuBurn
from tests.lab.shop import Shop

TURNOVER = """
SELECT date_trunc('week', created_at) AS week, sum(total_cents) AS turnover FROM orders
WHERE currency = 'EUR' AND external_reference IS NOT NULL GROUP BY 1 ORDER BY 1
"""
EVERY_SECONDS = 9.0


class AlwaysSlow(CpuBurn):
    """Version 3.3.0 of catalogue beside a report without an index."""

    name = "always-slow-report"
    about = "a report has always been slow; what is wrong is the CPU that catalogue's new version burns"

    def arrange(self, shop: Shop) -> None:
        shop.jobs.repeat("sales-report", TURNOVER, EVERY_SECONDS)


SCENARIO = AlwaysSlow
