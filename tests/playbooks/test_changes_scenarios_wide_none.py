# ruff: noqa: E501 - diffs and log lines are quoted as they stand
"""The third set, wider: no change is guilty.

Written after the second set had been run and before any of these was.
"""

from __future__ import annotations

from connectors.answers import ClusterState, Node
from tests.playbooks.test_changes_kit import Scenario, commit, deploy, excerpt, flag, moved, patch, status

WIDE_NONE = (
    Scenario(
        name="a slow dependency outside is told from a deploy of the caller with a harmless diff",
        service="gateway",
        alert="payments p99 above 1s",
        suspicion=(("payments", 0.8), ("gateway", 0.2)),
        edges=(("gateway", "payments"),),
        moved=(
            moved("payments", "latency", "http_client_duration_seconds peer=provider p99", 20),
            moved("payments", "latency", "http_server_duration_seconds p99", 18),
            moved("gateway", "latency", "http_server_duration_seconds p99", 12),
        ),
        changes=(deploy("gateway", -4, "s1"), deploy("catalogue", -18, "s2")),
        commits=(
            commit(
                "s1",
                -8,
                "gateway: banner text",
                patch("services/gateway/pages.py", '-BANNER = "Sale"\n+BANNER = "Big sale"'),
            ),
            commit(
                "s2",
                -25,
                "catalogue: sort by name",
                patch(
                    "services/catalogue/list.py",
                    "-    return items\n+    return sorted(items, key=lambda i: i.name)",
                ),
            ),
        ),
        guilty=None,
    ),
    Scenario(
        name="credentials revoked by their owner are not the fault of the tidied client",
        service="backup",
        alert="backup uploads failing",
        moved=(
            moved(
                "backup",
                "log",
                "InvalidAccessKeyId: The AWS Access Key Id you provided does not exist: 403 Forbidden",
                20,
            ),
            moved("backup", "errors", "upload_failures", 15),
        ),
        changes=(deploy("backup", -130, "c1"),),
        commits=(
            excerpt(
                "c1",
                -150,
                "tidy",
                "backup/s3.py",
                "-    client = boto3.client('s3')\n-    return client\n+    return boto3.client('s3')",
            ),
        ),
        guilty=None,
    ),
    Scenario(
        name="a node that is not ready takes pods of several services with it",
        service="cart",
        alert="cart unavailable replicas",
        cluster=ClusterState(nodes=(Node(name="n-4", troubles=("NotReady",)),)),
        moved=(
            moved("cart", "other", "kube_deployment_status_replicas_unavailable", 12),
            moved("search", "other", "kube_deployment_status_replicas_unavailable", 12),
            moved("cart", "log", "NodeNotReady: Node is not ready", 14),
        ),
        changes=(deploy("cart", -9, "n1"),),
        commits=(excerpt("n1", -20, "show tax", "cart/view.tsx", "-  <Total />\n+  <Total />\n+  <Tax />"),),
        guilty=None,
        mechanism=("node_pressure",),
    ),
    Scenario(
        name="a partner that sends a new enum value breaks parsing without a change here",
        service="tracking",
        alert="tracking events dropped above 5%",
        moved=(
            moved(
                "tracking",
                "log",
                "unknown enum value 'HELD_AT_CUSTOMS' in carrier event source=carrier-feed",
                20,
            ),
            moved("tracking", "errors", "events_dropped_total", 14),
        ),
        changes=(deploy("tracking", -26, "e1"), flag("tracking", -7, "map_v2 off->on")),
        commits=(
            excerpt(
                "e1",
                -40,
                "refactor status mapping",
                "tracking/status.kt",
                """
-    return when (code) { "DLV" -> Delivered; "TRN" -> InTransit; else -> error("unknown $code") }
+    return statusOf(code)
+}
+
+private fun statusOf(code: String) =
+    when (code) { "DLV" -> Delivered; "TRN" -> InTransit; else -> error("unknown $code") }
""",
            ),
        ),
        guilty=None,
        mechanism=("bad_data",),
    ),
    Scenario(
        name="the cluster's DNS fails for a service whose client was rebuilt an hour before",
        service="payments",
        alert="payments outbound errors; name resolution failing",
        moved=(
            moved(
                "payments", "log", "lookup api.bank.example on 10.0.0.10:53: server misbehaving SERVFAIL", 22
            ),
            moved("mailer", "log", "getaddrinfo EAI_AGAIN smtp.example", 18),
            moved("coredns", "latency", "coredns_dns_request_duration_seconds p99", 18),
        ),
        changes=(deploy("payments", -62, "d1"), deploy("mailer", -11, "d2")),
        commits=(
            excerpt(
                "d1",
                -80,
                "share one http client",
                "pkg/http/client.go",
                "-	c := &http.Client{Timeout: 5 * time.Second}\n+	c := shared.Client(5 * time.Second)",
            ),
            excerpt(
                "d2",
                -20,
                "bump",
                "services/mailer/go.mod",
                "-	golang.org/x/text v0.13.0\n+	golang.org/x/text v0.14.0",
            ),
        ),
        guilty=None,
        mechanism=("dns_failure",),
    ),
    Scenario(
        name="a marketing push is a surge though a query was touched the day before",
        service="catalog",
        alert="catalog latency p95 above 700ms",
        shape="ramp",
        moved=(
            moved("edge", "traffic", "requests_per_second", 22, -4),
            moved("catalog", "traffic", "requests_per_second", 20, -4),
            moved("catalog", "cpu", "cpu_utilization", 14, -1),
            moved("catalog", "latency", "p95", 12, 0),
        ),
        edges=(("edge", "catalog"),),
        changes=(
            deploy("catalog", -1300, "m1"),
            deploy("edge", -55, "m2"),
            flag("catalog", -20, "push_campaign_spring off->on"),
        ),
        commits=(
            excerpt(
                "m1",
                -1320,
                "list: also brands",
                "catalog/list.sql",
                "-SELECT id, name FROM item LIMIT 40\n+SELECT id, name, brand FROM item LIMIT 40",
            ),
            excerpt("m2", -70, "headers", "edge/conf.lua", '-h["X-A"] = "1"\n+h["X-A"] = "2"'),
        ),
        guilty=None,
        mechanism=("traffic_surge",),
    ),
    Scenario(
        name="a provider that says nothing still leaves its mark in the logs",
        service="sms",
        alert="sms delivery below 80%",
        moved=(
            moved(
                "sms",
                "log",
                "provider gateway unavailable: POST https://api.smsco.example/send 502 Bad Gateway",
                22,
            ),
            moved("sms", "errors", "send_errors_ratio", 16),
        ),
        changes=(deploy("sms", -17, "v1"),),
        commits=(
            excerpt(
                "v1",
                -30,
                "count segments",
                "sms/segments.py",
                "+def segments(text):\n+    return max(1, -(-len(text) // 160))",
            ),
        ),
        status=(status(-200, "smsco", "API", "resolved", "earlier incident"),),
        guilty=None,
        mechanism=("external_provider",),
    ),
    Scenario(
        name="a leap in disk latency of the volume is the platform's",
        service="db-proxy",
        alert="db-proxy query latency above 300ms",
        moved=(
            moved("db-proxy", "latency", "query p99", 14),
            moved("postgres", "disk", "node_disk_io_time_seconds_total volume await", 20, -3),
        ),
        changes=(deploy("db-proxy", -28, "o1"),),
        commits=(
            excerpt(
                "o1",
                -40,
                "rename flag",
                "proxy/main.go",
                '-	var dbg = flag.Bool("dbg", false, "debug")\n+	var debug = flag.Bool("dbg", false, "debug")',
            ),
        ),
        guilty=None,
    ),
)
