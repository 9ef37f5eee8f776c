# ruff: noqa: E101 - diffs and log lines are quoted as they stand
"""More synthetic incidents whose guilty change is in code; written before the judge was."""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, commit, deploy, moved, patch

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


CODE_MORE = (
    Scenario(
        name="a field renamed in the producer breaks its consumer",
        service="shipping",
        alert="shipping consumer failing messages; dead letters rising",
        edges=(("orders", "shipping"),),
        moved=(
            moved("shipping", "log", "KeyError: 'customer_id' while handling order.created", 20),
            moved("shipping", "queue", "kafka_consumergroup_lag", 15, 1),
        ),
        changes=(deploy("orders", -5, "ren"), deploy("shipping", -50, "log")),
        commits=(
            commit(
                "ren",
                -20,
                "events: consistent naming",
                patch(
                    "orders/events.py",
                    """
 def order_created(order):
     return {
         "id": str(order.id),
-        "customer_id": str(order.customer_id),
+        "buyer_id": str(order.customer_id),
     }
""",
                ),
            ),
            commit(
                "log",
                -70,
                "log consumer name",
                patch("shipping/consumer.py", "-log.info('started')\n+log.info('started', name=NAME)"),
            ),
        ),
        guilty="ren",
        mechanism=("bad_deploy", "bad_data"),
    ),
    Scenario(
        name="rounding in the currency conversion gives wrong totals without errors",
        service="payments",
        alert="reconciliation mismatch: charged amount differs from order total",
        moved=(moved("payments", "other", "reconciliation_mismatch_total", 18),),
        changes=(deploy("payments", -30, "round"), deploy("payments", -2, "metric")),
        commits=(
            commit(
                "round",
                -55,
                "use the common money helper",
                patch(
                    "payments/src/main/java/Money.java",
                    """
   BigDecimal charged(BigDecimal amount, BigDecimal rate) {
-    return amount.multiply(rate).setScale(2, RoundingMode.HALF_EVEN);
+    return BigDecimal.valueOf(amount.multiply(rate).intValue());
   }
""",
                ),
            ),
            commit(
                "metric",
                -9,
                "rename a metric label",
                patch(
                    "payments/src/main/java/Metrics.java",
                    '-    counter("charge", "prov", p);\n+    counter("charge", "provider", p);',
                ),
            ),
        ),
        guilty="round",
        mechanism=("bad_deploy", "bad_data"),
    ),
    Scenario(
        name="goroutines that nobody stops pile up",
        service="notify",
        alert="notify goroutines above 50k, memory rising",
        shape="ramp",
        moved=(
            moved("notify", "other", "go_goroutines", 30, -30),
            moved("notify", "memory", "go_memstats_heap_inuse_bytes", 14, -20),
        ),
        changes=(deploy("notify", -120, "gor"), deploy("notify", -10, "ci")),
        commits=(
            commit(
                "gor",
                -150,
                "send pushes in the background",
                patch(
                    "notify/push.go",
                    """
-	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
-	defer cancel()
-	return p.send(ctx, msg)
+	go func() {
+		p.results <- p.send(context.Background(), msg)
+	}()
+	return nil
""",
                ),
            ),
            commit(
                "ci",
                -12,
                "cache modules in CI",
                patch(".github/workflows/ci.yml", "+      - uses: actions/cache@v4"),
            ),
        ),
        guilty="gor",
        mechanism=("memory_leak",),
    ),
    Scenario(
        name="locks taken in another order deadlock",
        service="ledger",
        alert="ledger transfer errors: deadlock detected",
        moved=(
            moved("ledger", "log", "ERROR: deadlock detected Process waits for ShareLock on transaction", 22),
            moved("ledger", "database", "pg_stat_database_deadlocks", 18),
            moved("ledger", "latency", "transfer duration p99", 8),
        ),
        changes=(deploy("ledger", -20, "ord"), deploy("ledger", -3, "txt")),
        commits=(
            commit(
                "ord",
                -40,
                "lock the receiving account too",
                patch(
                    "ledger/transfer.py",
                    """
 def transfer(db, source, target, amount):
-    ids = sorted([source, target])
-    db.execute("SELECT 1 FROM account WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [ids])
+    db.execute("SELECT 1 FROM account WHERE id = %s FOR UPDATE", [source])
+    db.execute("SELECT 1 FROM account WHERE id = %s FOR UPDATE", [target])
""",
                ),
            ),
            commit(
                "txt",
                -6,
                "wording of the error page",
                patch("ledger/templates/error.html", "-<p>Sorry</p>\n+<p>We are sorry</p>"),
            ),
        ),
        guilty="ord",
        mechanism=("lock_contention",),
    ),
    Scenario(
        name="a commit inside a deploy is named although the deploy names another",
        service="profile",
        alert="profile 500s",
        moved=(
            moved("profile", "errors", "http_5xx_rate", 15),
            moved(
                "profile",
                "log",
                "AttributeError: 'NoneType' object has no attribute 'avatar_url' in render_profile",
                18,
            ),
        ),
        changes=(deploy("profile", -300, "old"), deploy("profile", -6, "head")),
        commits=(
            commit("old", -320, "first", patch("services/profile/app.py", "+x = 1")),
            commit(
                "bad",
                -60,
                "simplify rendering",
                patch(
                    "services/profile/render.py",
                    """
 def render_profile(user):
-    avatar = user.media.avatar_url if user.media else DEFAULT
-    return page(user.name, avatar)
+    return page(user.name, user.media.avatar_url)
""",
                ),
            ),
            commit("head", -10, "update the readme", patch("services/profile/README.md", "+more")),
        ),
        guilty="bad",
        mechanism=("bad_deploy",),
    ),
)
