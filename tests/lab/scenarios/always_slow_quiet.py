"""A report has always been slow and nothing is wrong: traffic is at the low of its day, as in `no_fault`.

The report is by far the heaviest statement, it has no index, and it is as slow as it was yesterday.
"""

from __future__ import annotations

from tests.lab.scenarios.always_slow import EVERY_SECONDS, TURNOVER
from tests.lab.scenarios.no_fault import NoFault
from tests.lab.shop import Shop


class AlwaysSlowQuiet(NoFault):
    """The customers sleep, and the accountants do not."""

    name = "always-slow-no-fault"
    about = "a report has always been slow; the daily low of traffic fires a rule, and nothing is wrong"

    def arrange(self, shop: Shop) -> None:
        shop.jobs.repeat("sales-report", TURNOVER, EVERY_SECONDS)


SCENARIO = AlwaysSlowQuiet
