# ruff: noqa: E101, E501, W293 - diffs and log lines are quoted as they stand
"""The third set, wider: commits over many files, suspects that were not alerted.

Written after the second set had been run and before any of these was.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import (
    Scenario,
    change,
    commit,
    deploy,
    excerpt,
    filler,
    flag,
    moved,
    patch,
)

WIDE = (
    Scenario(
        name="a filter on a column without an index is found behind tests and notes, not the deploy next door",
        service="gateway",
        alert="checkout p99 above 800 ms",
        suspicion=(("checkout", 0.6), ("gateway", 0.25), ("payments", 0.15)),
        edges=(("gateway", "checkout"), ("checkout", "payments")),
        moved=(
            moved("checkout", "latency", "http_server_duration_seconds route=/orders/open p99", 16),
            moved(
                "checkout",
                "database",
                "SELECT id, total FROM orders WHERE coupon_code = $1 AND state = $2",
                28,
            ),
            moved("checkout", "database", "seq_tup_read orders", 24),
            moved("gateway", "latency", "http_server_duration_seconds p99", 12, 1),
        ),
        changes=(deploy("checkout", -14, "v2", "v2"), deploy("payments", -3, "p2", "v7")),
        commits=(
            commit(
                "v2",
                -30,
                "checkout: open orders by coupon",
                patch(
                    "services/checkout/orders.py",
                    """
-OPEN = "SELECT id, total FROM orders WHERE customer_id = %s AND state = %s"
+OPEN = "SELECT id, total FROM orders WHERE coupon_code = %s AND state = %s"
 
 async def open_orders(pool, key):
     return await pool.fetch(OPEN, key, "open")
""",
                ),
                patch(
                    "services/checkout/tests/test_orders.py",
                    "+def test_open_orders_by_coupon():\n+    assert open_orders(POOL, 'X')",
                ),
                patch("services/checkout/CHANGELOG.md", "+- open orders can be found by coupon"),
            ),
            commit(
                "p2",
                -6,
                "payments: clearer receipts",
                patch(
                    "services/payments/receipt.py", '-    title = "Receipt"\n+    title = f"Receipt {number}"'
                ),
            ),
        ),
        guilty="v2",
        mechanism=("missing_index", "slow_query"),
    ),
    Scenario(
        name="a Rails migration that removes an index is blamed hours before traffic makes it hurt",
        service="storefront",
        alert="storefront db time above 2s",
        shape="ramp",
        moved=(
            moved(
                "storefront",
                "database",
                "SELECT products.* FROM products WHERE products.slug = $1 LIMIT $2",
                24,
            ),
            moved("storefront", "latency", "ProductsController#show p95", 15),
        ),
        changes=(
            deploy("storefront", -150, "r1"),
            deploy("storefront", -20, "r2"),
            flag("storefront", -5, "new_footer off->on"),
        ),
        commits=(
            *filler(10, -400, -20, "app/models"),
            commit(
                "r1",
                -170,
                "Drop redundant indexes",
                patch(
                    "db/migrate/20260303_drop_redundant_indexes.rb",
                    """
+class DropRedundantIndexes < ActiveRecord::Migration[7.1]
+  def change
+    remove_index :products, name: "index_products_on_slug"
+    remove_index :carts, name: "index_carts_on_token_and_state"
+  end
+end
""",
                ),
            ),
            commit(
                "r2",
                -30,
                "Extract price presenter",
                patch(
                    "app/presenters/price.rb",
                    """
-    number_to_currency(product.price, unit: shop.currency)
+    format_price(product.price)
+  end
+
+  def format_price(price)
+    number_to_currency(price, unit: shop.currency)
""",
                ),
            ),
        ),
        guilty="r1",
        mechanism=("missing_index",),
    ),
    Scenario(
        name="debug logging left on fills the disk",
        service="ingest",
        alert="ingest disk usage above 95%",
        shape="countdown",
        moved=(
            moved("ingest", "disk", "node_filesystem_avail_bytes mountpoint=/var/log", 20, -100, -1),
            moved("ingest", "log", "write /var/log/ingest.log: no space left on device", 18),
        ),
        changes=(change("config", "ingest", -240, "values changed", "g1"), deploy("ingest", -12, "g2")),
        commits=(
            excerpt(
                "g1",
                -245,
                "look into the odd records",
                "deploy/ingest/values.yaml",
                "-logLevel: info\n+logLevel: debug\n-logRotateKeep: 3\n+logRotateKeep: 300",
            ),
            excerpt(
                "g2", -20, "fix typo in help", "ingest/cli.py", '-    help="recieve"\n+    help="receive"'
            ),
        ),
        guilty="g1",
        mechanism=("disk_full", "config_change", "memory_leak"),
    ),
    Scenario(
        name="a probe pointed at a path that does not exist restarts healthy pods",
        service="profile",
        alert="profile pods restarting",
        moved=(
            moved("profile", "log", "Liveness probe failed: HTTP probe failed with statuscode: 404", 20),
            moved("profile", "other", "kube_pod_container_status_restarts_total", 14),
        ),
        changes=(change("config", "profile", -5, "manifest", "q1"), deploy("profile", -40, "q2")),
        commits=(
            commit(
                "q1",
                -12,
                "one health path for all",
                patch(
                    "k8s/profile/deployment.yaml",
                    """
           livenessProbe:
             httpGet:
-              path: /healthz
+              path: /internal/health
               port: 8080
""",
                ),
            ),
            commit("q2", -60, "smaller avatars", patch("profile/avatar.py", "-SIZE = 512\n+SIZE = 256")),
        ),
        guilty="q1",
        mechanism=("config_change",),
    ),
    Scenario(
        name="a callee's new lock slows its caller, which alone was deployed lately",
        service="booking",
        alert="booking p99 above 2s",
        edges=(("booking", "inventory"),),
        suspicion=(("inventory", 0.7), ("booking", 0.3)),
        moved=(
            moved("inventory", "latency", "reserve p99", 18, -1),
            moved("booking", "latency", "http p99", 14, 0),
            moved("inventory", "other", "mutex wait seconds reserve", 16),
        ),
        changes=(deploy("inventory", -21, "x1"), deploy("booking", -4, "x2")),
        commits=(
            excerpt(
                "x1",
                -40,
                "fix double booking",
                "inventory/reserve.go",
                """
 func (s *Store) Reserve(ctx context.Context, sku string, n int) error {
+	s.mu.Lock()
+	defer s.mu.Unlock()
 	stock, err := s.load(ctx, sku)
""",
            ),
            excerpt(
                "x2",
                -9,
                "nicer confirmation page",
                "booking/web/confirm.html",
                "-<p>ok</p>\n+<p>Confirmed</p>",
            ),
        ),
        guilty="x1",
        mechanism=("lock_contention",),
    ),
    Scenario(
        name="a scheduler run every minute instead of every hour hammers the provider's limit",
        service="sync",
        alert="sync failures: 429 from CRM",
        moved=(
            moved("sync", "log", "429 Too Many Requests from crm", 18),
            moved("sync", "traffic", "outbound_requests_per_minute", 22, 0),
        ),
        changes=(change("config", "sync", -3, "cron", "y1"), deploy("sync", -90, "y2")),
        commits=(
            excerpt("y1", -10, "fresher contacts", "sync/cron.yaml", "-  interval: 60m\n+  interval: 1m"),
            excerpt("y2", -110, "docstring", "sync/job.py", '-    """Sync."""\n+    """Sync contacts."""'),
        ),
        guilty="y1",
        mechanism=("config_change", "retry_storm"),
    ),
    Scenario(
        name="a required field added to a request schema rejects the older clients",
        service="orders",
        alert="orders 4xx ratio above 15%",
        edges=(("mobile-bff", "orders"),),
        moved=(
            moved("orders", "errors", "http_422_ratio", 20),
            moved("orders", "log", "validation error: field required channel", 18),
        ),
        changes=(deploy("orders", -2, "z1"), deploy("mobile-bff", -45, "z2")),
        commits=(
            excerpt(
                "z1",
                -25,
                "record the sales channel",
                "orders/schemas.py",
                """
 class OrderIn(BaseModel):
     sku: str
-    channel: str | None = None
+    channel: str
""",
            ),
            excerpt(
                "z2",
                -70,
                "log app version",
                "bff/mobile/log.ts",
                "-logger.info('req');\n+logger.info('req', {version});",
            ),
        ),
        guilty="z1",
        mechanism=("bad_deploy", "bad_data"),
    ),
    Scenario(
        name="a wrong host name in configuration cannot be resolved by the one service that got it",
        service="emails",
        alert="emails send failures above 50%",
        moved=(
            moved("emails", "log", "dial tcp: lookup smtp-relay.mail.svc: no such host", 22),
            moved("emails", "errors", "send_failures", 20),
        ),
        changes=(change("config", "emails", -2, "configmap", "h1"), deploy("emails", -61, "h2")),
        commits=(
            excerpt(
                "h1",
                -9,
                "move to the new relay",
                "config/emails.yaml",
                "-  SMTP_HOST: smtp.mail.svc\n+  SMTP_HOST: smtp-relay.mail.svc",
            ),
            excerpt("h2", -80, "wording", "emails/templates/reset.txt", "-Hi\n+Hello"),
        ),
        guilty="h1",
        mechanism=("config_change", "bad_deploy", "dns_failure"),
    ),
)
