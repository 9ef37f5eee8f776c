# ruff: noqa: E501 - diffs and log lines are quoted as they stand
"""Synthetic incidents in which no change is guilty, each with decoys; written before the judge was."""

from __future__ import annotations

from connectors.answers import ClusterEvent, ClusterState, Node
from tests.playbooks.test_changes_kit import Scenario, at, change, commit, deploy, flag, moved, patch, status

LOG = patch("services/app/api.go", '-\tlog.Info("done")\n+\tlog.Info("done", "tenant", tenant)')
GUARD = patch("app/pay.py", "+    if amount <= 0:\n+        raise ValueError('amount must be positive')")
CACHE = patch("src/menu/cache.ts", "-const TTL = 60;\n+const TTL = 300;")
BUMP = patch("app/requirements.txt", "-httpx==0.27.0\n+httpx==0.27.2")
RENAME = patch("app/views.py", "-def lst(req):\n+def listing(req):")

NONE = (
    Scenario(
        name="a campaign that doubles traffic everywhere is no deploy's fault",
        service="web",
        alert="web p99 above 900ms",
        shape="ramp",
        moved=(
            moved("web", "traffic", "requests_per_second", 20, -6),
            moved("catalog", "traffic", "requests_per_second", 18, -6),
            moved("cart", "traffic", "requests_per_second", 15, -6),
            moved("web", "cpu", "cpu_utilization", 12, -2),
            moved("web", "latency", "http_server_duration_p99_ms", 14, 0),
        ),
        edges=(("web", "catalog"), ("web", "cart")),
        changes=(deploy("web", -25, "a"), deploy("cart", -12, "b")),
        commits=(commit("a", -60, "cache the menu longer", CACHE), commit("b", -30, "log the tenant", LOG)),
        guilty=None,
        mechanism=("traffic_surge",),
    ),
    Scenario(
        name="a payment provider's outage is not the fault of the deploy before it",
        service="payments",
        alert="payment authorisations failing above 10%",
        moved=(
            moved("payments", "errors", "charge_failures_total", 20),
            moved("payments", "log", "acquirer api.adyen.example returned 503 Service Unavailable", 18),
        ),
        changes=(deploy("payments", -7, "guard"),),
        commits=(commit("guard", -20, "reject amounts that are not positive", GUARD),),
        status=(status(3, "adyen", "Payments API", "major_outage", "We investigate elevated error rates"),),
        guilty=None,
        mechanism=("external_provider",),
    ),
    Scenario(
        name="a certificate that expires needs no change",
        service="gateway",
        alert="gateway upstream TLS errors",
        moved=(
            moved(
                "gateway",
                "log",
                "x509: certificate has expired or is not yet valid: current time is after",
                25,
            ),
            moved("gateway", "errors", "upstream_5xx", 16),
        ),
        changes=(deploy("gateway", -9, "a"), flag("gateway", -2, "new_header off->on")),
        commits=(commit("a", -25, "rename", RENAME),),
        guilty=None,
        mechanism=("certificate_expired",),
    ),
    Scenario(
        name="a full disk is told from the deploy that came last",
        service="kafka",
        alert="kafka broker errors",
        moved=(
            moved("kafka", "disk", "node_filesystem_avail_bytes", 15, -30, -1),
            moved("kafka", "log", "java.io.IOException: No space left on device", 20),
        ),
        shape="countdown",
        changes=(deploy("orders", -6, "a"),),
        commits=(commit("a", -25, "bump httpx", BUMP),),
        guilty=None,
        mechanism=("disk_full",),
    ),
    Scenario(
        name="names that do not resolve across services are the cluster's DNS",
        service="checkout",
        alert="checkout errors",
        moved=(
            moved("checkout", "log", "dial tcp: lookup inventory.shop.svc.cluster.local: no such host", 20),
            moved("cart", "log", "getaddrinfo ENOTFOUND redis.shop", 14),
            moved("coredns", "errors", 'coredns_dns_responses_total{rcode="SERVFAIL"}', 18),
        ),
        changes=(deploy("checkout", -11, "a"), deploy("cart", -5, "b")),
        commits=(commit("a", -30, "log", LOG), commit("b", -20, "rename", RENAME)),
        guilty=None,
        mechanism=("dns_failure",),
    ),
    Scenario(
        name="a pressed node starves its pods",
        service="ranking",
        alert="ranking p99 above 400ms",
        moved=(
            moved("ranking", "cpu", "container_cpu_cfs_throttled_seconds_total", 12),
            moved(None, "memory", "node_memory_MemAvailable_bytes node-7", 15, -5, -1),
            moved("batch-report", "cpu", "container_cpu_usage_seconds_total", 18, -6),
            moved("ranking", "latency", "http_p99", 10),
        ),
        cluster=ClusterState(
            nodes=(Node(name="node-7", troubles=("MemoryPressure",)),),
            events=(
                ClusterEvent(
                    at=at(-3),
                    type="Warning",
                    reason="Evicted",
                    kind="Pod",
                    name="x",
                    message="The node was low on resource: memory",
                ),
            ),
        ),
        changes=(deploy("ranking", -14, "a"),),
        commits=(commit("a", -40, "rename", RENAME),),
        guilty=None,
        mechanism=("node_pressure",),
    ),
    Scenario(
        name="a partner's malformed records are bad data",
        service="importer",
        alert="importer rejecting records; backlog rising",
        moved=(
            moved(
                "importer",
                "log",
                "validation failed: field 'lat' must be a number, got '' (source=partner-feed)",
                22,
            ),
            moved("importer", "queue", "import_backlog", 14, 2),
        ),
        changes=(deploy("importer", -20, "a"), deploy("api", -3, "b")),
        commits=(commit("a", -50, "log", LOG), commit("b", -12, "bump", BUMP)),
        guilty=None,
        mechanism=("bad_data",),
    ),
    Scenario(
        name="a provider's rate limit is reached without a change here",
        service="geocoder",
        alert="geocoder failures above 5%",
        moved=(
            moved(
                "geocoder",
                "log",
                "429 Too Many Requests from maps.provider.example: quota exceeded for project",
                20,
            ),
            moved("geocoder", "errors", "outbound_errors", 14),
        ),
        changes=(deploy("geocoder", -45, "a"), flag("web", -4, "map_tiles_v2 off->on")),
        commits=(commit("a", -70, "comment", patch("geocoder/api.py", "-# geocode\n+# geocode an address")),),
        guilty=None,
        mechanism=("external_provider",),
    ),
    Scenario(
        name="a change after the onset is not guilty however well its diff fits",
        service="orders",
        alert="orders p99 above 1s",
        moved=(
            moved("orders", "latency", "p99", 10),
            moved("orders", "database", "SELECT FROM orders WHERE status = $1", 16),
        ),
        changes=(deploy("orders", 6, "late"), deploy("orders", -50, "log")),
        commits=(
            commit(
                "late",
                2,
                "list more",
                patch(
                    "orders/store.py",
                    '-q = "SELECT * FROM orders WHERE status = %s LIMIT 20"\n+q = "SELECT * FROM orders WHERE status = %s"',
                ),
            ),
            commit("log", -70, "log", LOG),
        ),
        guilty=None,
    ),
    Scenario(
        name="a fitting diff that was never deployed is not guilty",
        service="orders",
        alert="orders p99 above 1s",
        moved=(
            moved("orders", "latency", "p99", 10),
            moved("orders", "traffic", "requests_per_second", 14, -8),
            moved("web", "traffic", "requests_per_second", 14, -8),
        ),
        changes=(deploy("orders", -120, "one"),),
        commits=(
            commit("one", -150, "log", LOG),
            commit(
                "two",
                -90,
                "list all",
                patch(
                    "services/orders/store.py",
                    '-q = "SELECT * FROM orders WHERE status = %s LIMIT 20"\n+q = "SELECT * FROM orders WHERE status = %s"',
                ),
            ),
        ),
        guilty=None,
        mechanism=("traffic_surge",),
    ),
    Scenario(
        name="a clock that drifted makes tokens not yet valid",
        service="auth",
        alert="auth rejects above 4%",
        moved=(
            moved("auth", "log", "token used before issued: clock skew detected, iat is in the future", 18),
            moved(None, "other", "node_timex_offset_seconds", 20, -10),
        ),
        changes=(deploy("auth", -35, "a"), deploy("web", -3, "b")),
        commits=(
            commit("a", -60, "rename", RENAME),
            commit("b", -8, "css", patch("web/app.css", "-a{}\n+a{color:red}")),
        ),
        guilty=None,
        mechanism=("clock_skew",),
    ),
    Scenario(
        name="a failover of the managed database is no deploy's fault",
        service="orders",
        alert="orders 5xx above 5%",
        moved=(
            moved(
                "orders",
                "log",
                "FATAL: the database system is starting up; terminating connection due to administrator command",
                20,
            ),
            moved("orders", "errors", "http_5xx", 14),
        ),
        changes=(deploy("orders", -16, "a"),),
        commits=(commit("a", -40, "log", LOG),),
        status=(status(1, "aws", "RDS eu-west-1", "degraded", "Increased error rates and failovers"),),
        guilty=None,
        mechanism=("external_provider", "database_failover"),
    ),
    Scenario(
        name="a latency between regions is the network's fault",
        service="feed",
        alert="feed p99 above 1.2s",
        moved=(
            moved("feed", "network", "tcp_retransmits eu-west us-east", 18, -1),
            moved("feed", "latency", "client call to us-east store p99", 14),
            moved("profile", "latency", "client call to us-east store p99", 12),
        ),
        edges=(("feed", "store"), ("profile", "store")),
        changes=(deploy("feed", -9, "a"), change("config", "profile", -30, "log level", "b")),
        commits=(
            commit("a", -25, "rename", RENAME),
            commit(
                "b", -45, "quieter logs", patch("profile/config.yaml", "-log_level: debug\n+log_level: info")
            ),
        ),
        guilty=None,
    ),
)
