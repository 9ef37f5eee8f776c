# ruff: noqa: E101, W293 - diffs and log lines are quoted as they stand
"""The second set, harder: decoys touch the very code that fails. Written after the first version of
the judge and before any of them was run.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, change, deploy, excerpt, filler, flag, moved

HARD_CODE = (
    Scenario(
        name="idle connections cut by a client's default explain the latency, not the tidied retry helper",
        service="quoteservice",
        alert="quoteservice p99 latency above 600ms for 3m",
        moved=(
            moved("quoteservice", "latency", "http_server_duration_p99_ms", 16),
            moved("quoteservice", "pool", "db_pool_wait_ms", 20),
            moved("quoteservice", "log", "sql: timed out waiting for a free connection after <N>ms", 18),
            moved("frontend", "errors", "http_5xx_rate", 9, 2),
        ),
        edges=(("frontend", "quoteservice"),),
        changes=(
            deploy("quoteservice", -42, "p1"),
            deploy("quoteservice", -6, "p2"),
            flag("frontend", -3, "holiday_theme off->on by kim"),
        ),
        commits=(
            *filler(12, -300, -5, "services/quote"),
            excerpt(
                "p1",
                -50,
                "chore: align db settings with platform defaults",
                "services/quote/db/open.go",
                """
 	db, err := sql.Open("pgx", dsn)
-	db.SetMaxOpenConns(64)
-	db.SetMaxIdleConns(32)
+	db.SetMaxOpenConns(5)
+	db.SetMaxIdleConns(5)
""",
            ),
            excerpt(
                "p2",
                -8,
                "refactor: extract retry helper",
                "services/quote/db/retry.go",
                """
-	for i := 0; i < 3; i++ {
-		if err = fn(); err == nil {
-			return nil
-		}
-	}
-	return err
+	return retryTimes(3, fn)
+}
+
+func retryTimes(n int, fn func() error) (err error) {
+	for i := 0; i < n; i++ {
+		if err = fn(); err == nil {
+			return nil
+		}
+	}
+	return err
""",
            ),
        ),
        guilty="p1",
        mechanism=("connection_pool_exhausted",),
    ),
    Scenario(
        name="a cache whose eviction went away fills memory, not the bounded one deployed later",
        service="sessionservice",
        alert="sessionservice container_memory_working_set above 95% of limit",
        shape="ramp",
        moved=(
            moved("sessionservice", "memory", "container_memory_working_set_bytes", 22, -60),
            moved("sessionservice", "log", "GC pause <N>ms heap growing", 10),
        ),
        changes=(deploy("sessionservice", -180, "e1"), deploy("sessionservice", -9, "e2")),
        commits=(
            *filler(9, -400, -10, "services/session"),
            excerpt(
                "e1",
                -200,
                "perf: faster session lookup",
                "services/session/store.py",
                """
-    self._sessions = TTLCache(maxsize=50_000, ttl=1800)
+    self._sessions = {}
 
     def put(self, session):
         self._sessions[session.id] = session
""",
            ),
            excerpt(
                "e2",
                -15,
                "feat: remember recent devices",
                "services/session/devices.py",
                """
+DEVICES = LRUCache(maxsize=1000)
+
+def remember(user_id, device):
+    DEVICES[user_id] = device
""",
            ),
        ),
        guilty="e1",
        mechanism=("memory_leak", "cache_failure"),
    ),
    Scenario(
        name="an await inside a loop makes the cart slow, not the extracted formatter",
        service="cart",
        alert="cart p95 latency above 1.5s",
        moved=(
            moved("cart", "latency", "http_request_duration_ms p95 route=/cart", 14),
            moved("pricing", "traffic", "http_requests_per_second", 9, 0),
            moved("cart", "other", "GET /price/:sku client spans per request", 15),
        ),
        edges=(("cart", "pricing"),),
        changes=(deploy("cart", -28, "w1"), deploy("cart", -5, "w2")),
        commits=(
            excerpt(
                "w1",
                -45,
                "refactor: price lines individually for better errors",
                "apps/cart/src/total.ts",
                """
-  const prices = await pricing.getMany(items.map((i) => i.sku));
-  return items.reduce((sum, i) => sum + prices[i.sku] * i.qty, 0);
+  let sum = 0;
+  for (const i of items) {
+    const price = await pricing.get(i.sku);
+    sum += price * i.qty;
+  }
+  return sum;
""",
            ),
            excerpt(
                "w2",
                -9,
                "refactor: extract formatter",
                "apps/cart/src/format.ts",
                """
-  return `${(total / 100).toFixed(2)} ${currency}`;
+  return formatMoney(total, currency);
+}
+
+function formatMoney(total: number, currency: string): string {
+  return `${(total / 100).toFixed(2)} ${currency}`;
""",
            ),
        ),
        guilty="w1",
        mechanism=("slow_query", "bad_deploy"),
    ),
    Scenario(
        name="an ORM index flag taken away is found in the model, not in the view that sorts",
        service="ticketing",
        alert="ticketing db cpu above 90%",
        moved=(
            moved("ticketing", "database", "SELECT id, seat FROM tickets WHERE barcode = $1", 25),
            moved("ticketing", "database", "db_cpu_pct", 15),
            moved("ticketing", "latency", "scan endpoint p99", 13),
        ),
        changes=(deploy("ticketing", -55, "o1"), deploy("ticketing", -11, "o2")),
        commits=(
            excerpt(
                "o1",
                -75,
                "models: drop what admin does not need",
                "ticketing/models.py",
                """
 class Ticket(Model):
-    barcode = CharField(max_length=64, db_index=True)
+    barcode = CharField(max_length=64)
     seat = CharField(max_length=8)
""",
            ),
            excerpt(
                "o2",
                -14,
                "tickets list: tidy",
                "ticketing/views.py",
                """
-    tickets = list(qs)
-    tickets.sort(key=lambda t: t.seat)
-    return tickets
+    return sorted(qs, key=lambda t: t.seat)
""",
            ),
        ),
        guilty="o1",
        mechanism=("missing_index", "slow_query"),
    ),
    Scenario(
        name="a consumer that commits first loses messages and is told from the renamed metric",
        service="fulfilment",
        alert="fulfilment: orders paid but not shipped above 2%",
        moved=(
            moved("fulfilment", "other", "orders_paid_not_shipped_ratio mismatch", 15),
            moved("fulfilment", "log", "consumer restarted, offsets already committed", 12),
        ),
        changes=(deploy("fulfilment", -60, "k1"), deploy("fulfilment", -7, "k2")),
        commits=(
            excerpt(
                "k1",
                -80,
                "simplify consumer",
                "fulfilment/src/main/java/Consumer.java",
                """
-    props.put("enable.auto.commit", "false");
+    props.put("enable.auto.commit", "true");
     while (running) {
       for (var record : consumer.poll(TIMEOUT)) {
         handle(record);
       }
-      consumer.commitSync();
     }
""",
            ),
            excerpt(
                "k2",
                -9,
                "rename local",
                "fulfilment/src/main/java/Handler.java",
                """
-    var o = repo.find(id);
-    ship(o);
+    var order = repo.find(id);
+    ship(order);
""",
            ),
        ),
        guilty="k1",
        mechanism=("bad_deploy", "config_change"),
    ),
    Scenario(
        name="a column renamed in a migration breaks the reader that still asks for the old one",
        service="reviews",
        alert="reviews 5xx above 20%",
        moved=(
            moved("reviews", "errors", "http_5xx_ratio", 20),
            moved("reviews", "log", 'ERROR: column "stars" does not exist at character <N>', 20),
        ),
        changes=(
            change("migration", "reviews", -1, "V31__ratings.sql", "m1"),
            deploy("reviews", -70, "m2"),
            deploy("web", -2, "m3"),
        ),
        commits=(
            excerpt(
                "m1",
                -30,
                "ratings naming",
                "reviews/db/migration/V31__ratings.sql",
                "+ALTER TABLE review RENAME COLUMN stars TO rating;",
            ),
            excerpt(
                "m2",
                -90,
                "cap page size",
                "reviews/api.kt",
                "-    val size = params.size ?: 500\n+    val size = min(params.size ?: 100, 100)",
            ),
            excerpt(
                "m3",
                -6,
                "show stars as icons",
                "web/src/Stars.tsx",
                "-  <span>{stars}</span>\n+  <Icons count={stars} />",
            ),
        ),
        guilty="m1",
        mechanism=("bad_deploy", "lock_contention"),
    ),
)
