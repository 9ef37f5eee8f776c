# ruff: noqa: E501 - diffs and log lines are quoted as they stand
"""The second set, harder: no change is guilty, again. Written after the first version of
the judge and before any of them was run.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, deploy, excerpt, flag, moved, status

HARD_REST = (
    Scenario(
        name="rows that grew past a threshold flip the plan without any change",
        service="history",
        alert="history p99 above 900ms",
        moved=(
            moved("history", "latency", "p99_ms", 12),
            moved(
                "history",
                "database",
                "autovacuum: automatic analyze of table events; plan changed to Seq Scan",
                15,
            ),
        ),
        changes=(deploy("history", -95, "y1"), flag("web", -12, "history_tab_color off->on")),
        commits=(
            excerpt(
                "y1",
                -120,
                "comment",
                "history/store.go",
                "-	// list events\n+	// list the events of a user",
            ),
        ),
        guilty=None,
    ),
    Scenario(
        name="a token provider that rotates its keys is external, not the fault of the auth refactor",
        service="gateway",
        alert="gateway 401 above 8%",
        moved=(
            moved("gateway", "errors", "http_401_ratio", 18),
            moved(
                "gateway",
                "log",
                "jwks fetch from https://login.idp.example failed: 503 Service Unavailable",
                20,
            ),
            moved("gateway", "log", "unknown kid in token header", 14),
        ),
        changes=(deploy("gateway", -40, "j1"),),
        commits=(
            excerpt(
                "j1",
                -55,
                "refactor auth: split parser",
                "gateway/auth/parse.go",
                """
-	claims := jwt.MapClaims{}
-	tok, err := jwt.ParseWithClaims(raw, claims, keys)
+	tok, claims, err := parse(raw, keys)
+}
+
+func parse(raw string, keys jwt.Keyfunc) (*jwt.Token, jwt.MapClaims, error) {
+	claims := jwt.MapClaims{}
+	tok, err := jwt.ParseWithClaims(raw, claims, keys)
+	return tok, claims, err
""",
            ),
        ),
        status=(status(-3, "idp", "login", "partial_outage", "Key service degraded"),),
        guilty=None,
        mechanism=("external_provider",),
    ),
    Scenario(
        name="nothing fits and nothing else speaks: no change is blamed",
        service="chat",
        alert="chat p99 above 700ms",
        moved=(moved("chat", "latency", "p99_ms", 10), moved("chat", "other", "gc_pause_ms", 6)),
        changes=(deploy("chat", -8, "z1"), deploy("chat", -3, "z2"), flag("chat", -1, "emoji_v3 off->on")),
        commits=(
            excerpt("z1", -20, "docs", "docs/chat.md", "+words"),
            excerpt("z2", -10, "tests", "chat/room_test.go", "+func TestRoom(t *testing.T) {}"),
        ),
        guilty=None,
    ),
    Scenario(
        name="a fleet-wide switch that failed hits unrelated services at once",
        service="orders",
        alert="orders errors: connection reset",
        moved=(
            moved("orders", "log", "read tcp: connection reset by peer", 18),
            moved("users", "log", "read tcp: i/o timeout; no route to host", 16),
            moved("mail", "network", "tcp_retransmits packet loss", 18, -1),
        ),
        changes=(deploy("orders", -22, "q1"), deploy("mail", -6, "q2")),
        commits=(
            excerpt("q1", -40, "rename", "orders/api.py", "-def f(r):\n+def fetch(r):"),
            excerpt("q2", -9, "template", "mail/templates/a.html", "-<p>a</p>\n+<p>b</p>"),
        ),
        guilty=None,
    ),
    Scenario(
        name="a scheduled backup locks the table, not the deploy in the same hour",
        service="stock",
        alert="stock write latency above 2s",
        moved=(
            moved("stock", "latency", "UPDATE stock p99", 18),
            moved("stock", "database", "disk read bytes of pg_dump backup session", 20, -2),
        ),
        changes=(deploy("stock", -33, "g1"), deploy("stock", -8, "g2")),
        commits=(
            excerpt("g1", -50, "lint", "stock/app.py", "-import a,b\n+import a\n+import b"),
            excerpt("g2", -13, "spacing", "stock/model.py", "-x = {'a':1}\n+x = {'a': 1}"),
        ),
        guilty=None,
    ),
    Scenario(
        name="a customer's huge import is bad input, not the parser's tidying",
        service="importer",
        alert="importer memory above 90%",
        moved=(
            moved("importer", "memory", "process_resident_memory_bytes", 15),
            moved(
                "importer",
                "log",
                "rejected row 1048577 of file=catalog.csv source=tenant-42: unexpected value",
                18,
            ),
        ),
        changes=(deploy("importer", -44, "i1"),),
        commits=(
            excerpt(
                "i1",
                -60,
                "tidy csv reader",
                "importer/read.py",
                "-    rows = csv.reader(fh)\n-    for row in rows:\n-        yield parse(row)\n+    for row in csv.reader(fh):\n+        yield parse(row)",
            ),
        ),
        guilty=None,
        mechanism=("bad_data",),
    ),
)
