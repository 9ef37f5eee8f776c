# ruff: noqa: E101, E501, W293 - diffs and log lines are quoted as they stand
"""Synthetic incidents whose guilty change is in code, each beside decoys; written before the judge was."""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, commit, deploy, flag, moved, patch

LOG_FIELD = patch(
    "services/orders/handler.go",
    """
 func (h *Handler) Get(w http.ResponseWriter, r *http.Request) {
-	h.log.Info("order fetched", "id", id)
+	h.log.Info("order fetched", "id", id, "region", h.region)
 	h.write(w, order)
""",
)
README = patch("README.md", "-Run make\n+Run `make dev` to start the orders service locally")
TEST_ONLY = patch(
    "services/orders/handler_test.go", "+func TestGetOrder(t *testing.T) {\n+\tassert(t, 1, 1)\n+}"
)


CODE = (
    Scenario(
        name="a dropped LIMIT is blamed, not the log field deployed later",
        service="orders",
        alert="orders p99 latency above 1s",
        moved=(
            moved("orders", "latency", "http_request_duration_p99_seconds", 14),
            moved(
                "orders",
                "database",
                "SELECT id, total FROM order_history WHERE customer_id = $1 ORDER BY created_at",
                20,
            ),
            moved("orders", "database", "db_rows_returned", 18),
        ),
        changes=(deploy("orders", -35, "lim"), deploy("orders", -4, "log")),
        commits=(
            commit(
                "lim",
                -60,
                "show the full history on the account page",
                patch(
                    "services/orders/store.go",
                    """
 const historyQuery = `
 	SELECT id, total FROM order_history
-	WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 50`
+	WHERE customer_id = $1 ORDER BY created_at DESC`
""",
                ),
            ),
            commit("log", -10, "add region to the order log line", LOG_FIELD),
        ),
        guilty="lim",
        mechanism=("slow_query", "missing_index"),
    ),
    Scenario(
        name="a list that only grows explains memory hours later",
        service="recs",
        alert="recs pods OOMKilled",
        shape="ramp",
        moved=(
            moved("recs", "memory", "process_resident_memory_bytes", 25),
            moved("recs", "log", "OOMKilled container recs exit code 137", 9),
        ),
        changes=(
            deploy("recs", -200, "leak"),
            deploy("recs", -12, "css"),
            flag("recs", -3, "new_badge off->on"),
        ),
        commits=(
            commit(
                "leak",
                -260,
                "keep seen items for debugging",
                patch(
                    "recs/engine.py",
                    """
 _SEEN = []
 
 def recommend(user, items):
+    _SEEN.append((user.id, tuple(items)))
     return rank(items)
""",
                ),
            ),
            commit(
                "css", -20, "badge colour", patch("recs/static/badge.css", "-  color: red;\n+  color: blue;")
            ),
        ),
        guilty="leak",
        mechanism=("memory_leak",),
    ),
    Scenario(
        name="a comparison of token expiry that was flipped rejects valid sessions",
        service="gateway",
        alert="401 ratio above 5%",
        moved=(
            moved("gateway", "errors", 'http_requests_total{code="401"}', 20),
            moved("gateway", "log", "token rejected: expired", 15),
            moved("users", "log", "unauthorized: token expired", 9),
        ),
        edges=(("gateway", "users"),),
        changes=(deploy("gateway", -15, "jwt"), deploy("users", -5, "doc")),
        commits=(
            commit(
                "jwt",
                -50,
                "tidy token validation",
                patch(
                    "lib/auth/token.ts",
                    """
 export function isValid(token: Token, now: number): boolean {
-  return token.expiresAt + LEEWAY > now;
+  return token.expiresAt < now + LEEWAY;
 }
""",
                ),
            ),
            commit(
                "doc", -9, "document users API", patch("services/users/README.md", "+## API\n+GET /users")
            ),
        ),
        guilty="jwt",
        mechanism=("bad_deploy",),
    ),
    Scenario(
        name="an N+1 query is told from a timeout that was raised",
        service="catalog",
        alert="catalog p95 above 700 ms",
        moved=(
            moved("catalog", "latency", "django_http_requests_latency_seconds p95", 12),
            moved("catalog", "database", "SELECT * FROM price WHERE product_id = $1", 30),
            moved("catalog", "database", "pg_stat_statements calls per second", 22),
        ),
        changes=(deploy("catalog", -25, "nplus"), deploy("catalog", -7, "tmo")),
        commits=(
            commit(
                "nplus",
                -45,
                "simplify listing",
                patch(
                    "catalog/views.py",
                    """
 def listing(request):
-    products = Product.objects.filter(active=True).prefetch_related("prices")
-    return render([p.to_dict() for p in products])
+    products = Product.objects.filter(active=True)
+    out = []
+    for product in products:
+        out.append(product.to_dict(price=Price.objects.get(product_id=product.id)))
+    return render(out)
""",
                ),
            ),
            commit(
                "tmo",
                -10,
                "more patience with search",
                patch("catalog/search_client.py", "-SEARCH_TIMEOUT = 2.0\n+SEARCH_TIMEOUT = 5.0"),
            ),
        ),
        guilty="nplus",
        mechanism=("slow_query", "bad_deploy"),
    ),
    Scenario(
        name="rows that are never closed empty the pool after a while",
        service="billing",
        alert="billing errors: connection pool timeout",
        shape="ramp",
        moved=(
            moved("billing", "pool", "db_pool_connections_in_use", 16, -20),
            moved("billing", "log", "timeout acquiring connection from pool", 18),
            moved("billing", "errors", "http_5xx_per_sec", 10),
        ),
        changes=(deploy("billing", -70, "rows"), deploy("billing", -6, "test")),
        commits=(
            commit(
                "rows",
                -90,
                "invoices: read lines in one pass",
                patch(
                    "billing/invoices.go",
                    """
 	rows, err := db.QueryContext(ctx, q, id)
 	if err != nil {
 		return nil, err
 	}
-	defer rows.Close()
 	for rows.Next() {
""",
                ),
            ),
            commit(
                "test",
                -8,
                "cover refunds",
                patch("billing/refund_test.go", "+func TestRefund(t *testing.T) {}"),
            ),
        ),
        guilty="rows",
        mechanism=("connection_pool_exhausted",),
    ),
    Scenario(
        name="a retry without backoff storms the inventory",
        service="inventory",
        alert="inventory request rate and errors above threshold",
        edges=(("checkout", "inventory"),),
        moved=(
            moved("inventory", "traffic", "http_requests_per_second", 25),
            moved("inventory", "cpu", "container_cpu_usage_cores", 9, 1),
            moved("checkout", "log", "retrying reserve attempt", 20),
            moved("inventory", "errors", "http_503_total", 8, 2),
        ),
        changes=(deploy("checkout", -12, "retry"), deploy("inventory", -40, "fmt")),
        commits=(
            commit(
                "retry",
                -30,
                "be more robust when reserving",
                patch(
                    "services/checkout/src/reserve.js",
                    """
-const res = await http.post(url, body);
+let res;
+while (!res || res.status >= 500) {
+  log.warn("retrying reserve attempt");
+  res = await http.post(url, body);
+}
""",
                ),
            ),
            commit("fmt", -60, "gofmt", patch("services/inventory/stock.go", "-\tx:=1\n+\tx := 1")),
        ),
        guilty="retry",
        mechanism=("retry_storm",),
    ),
    Scenario(
        name="a regex that backtracks burns CPU",
        service="signup",
        alert="signup cpu above 95%",
        moved=(
            moved("signup", "cpu", "process_cpu_seconds_total", 30),
            moved("signup", "latency", "http_server_duration_p99_ms", 14),
        ),
        changes=(
            deploy("signup", -8, "rx"),
            deploy("signup", -90, "dep"),
            flag("signup", -1, "welcome_mail on->off"),
        ),
        commits=(
            commit(
                "rx",
                -30,
                "stricter e-mail check",
                patch(
                    "signup/validate.rb",
                    "-EMAIL = /\\A[^@\\s]+@[^@\\s]+\\z/\n+EMAIL = /\\A([a-zA-Z0-9_.+-]+)*@([a-z0-9-]+\\.)+[a-z]+\\z/",
                ),
            ),
            commit(
                "dep", -120, "bump rack", patch("signup/Gemfile.lock", "-    rack (2.2.7)\n+    rack (2.2.8)")
            ),
        ),
        guilty="rx",
        mechanism=("cpu_saturation", "bad_deploy"),
    ),
)
