# ruff: noqa: E501 - diffs and log lines are quoted as they stand
"""Synthetic incidents whose guilty change is configuration, schema, manifest or flag; written before the judge."""

from __future__ import annotations

from datetime import timedelta

from connectors.answers import ClusterState, Container, Pod
from tests.playbooks.test_changes_kit import Scenario, at, change, commit, deploy, flag, moved, patch


def _pod(name: str, version: str, reason: str | None, restarts: int) -> Pod:
    return Pod(
        namespace="shop", name=name, service="cart", version=version, started_at=at(-6) + timedelta(seconds=5),
        containers=(Container(name="app", restarts=restarts, waiting_reason=reason),),
    )  # fmt: skip


CONFIG = (
    Scenario(
        name="a pool made smaller is blamed, not a pool made larger elsewhere",
        service="orders",
        alert="orders p99 above 2s, pool wait time rising",
        moved=(
            moved("orders", "pool", "hikaricp_connections_pending", 25),
            moved("orders", "latency", "http_server_requests_seconds p99", 12),
            moved(
                "orders",
                "log",
                "HikariPool-1 - Connection is not available, request timed out after 30000ms",
                15,
            ),
        ),
        changes=(deploy("orders", -18, "small"), deploy("stock", -6, "large")),
        commits=(
            commit(
                "small",
                -40,
                "align settings",
                patch(
                    "orders/src/main/resources/application.yml",
                    " spring:\n   datasource:\n     hikari:\n-      maximum-pool-size: 40\n+      maximum-pool-size: 4",
                ),
            ),
            commit(
                "large",
                -15,
                "more connections",
                patch(
                    "stock/src/main/resources/application.yml",
                    "     hikari:\n-      maximum-pool-size: 10\n+      maximum-pool-size: 20",
                ),
            ),
        ),
        guilty="small",
        mechanism=("connection_pool_exhausted",),
    ),
    Scenario(
        name="a timeout lowered below the callee's latency is blamed",
        service="checkout",
        alert="checkout errors above 5%: deadline exceeded calling tax",
        edges=(("checkout", "tax"),),
        moved=(
            moved("checkout", "errors", 'grpc_client_handled_total{grpc_code="DeadlineExceeded"}', 18),
            moved("checkout", "log", "context deadline exceeded calling tax.Calculate", 16),
        ),
        changes=(change("config", "checkout", -9, "helm values", "tmo"), deploy("tax", -30, "dep")),
        commits=(
            commit(
                "tmo",
                -20,
                "tighten budgets",
                patch("deploy/checkout/values.yaml", "-  TAX_TIMEOUT: 1500ms\n+  TAX_TIMEOUT: 150ms"),
            ),
            commit(
                "dep",
                -60,
                "bump linter",
                patch("services/tax/package.json", '-    "eslint": "8.1.0"\n+    "eslint": "8.2.0"'),
            ),
        ),
        guilty="tmo",
        mechanism=("config_change", "bad_deploy", "downstream_dependency"),
    ),
    Scenario(
        name="a cache lifetime cut to seconds sends the load to the database",
        service="catalog",
        alert="catalog database cpu above 90%",
        moved=(
            moved("catalog", "database", "db_cpu_pct", 15),
            moved("catalog", "other", "cache_hit_ratio", 20, 0, -1),
            moved("catalog", "latency", "p99_ms", 9, 1),
        ),
        changes=(
            deploy("catalog", -10, "ttl"),
            deploy("catalog", -2, "doc"),
            flag("web", -5, "dark_mode off->on"),
        ),
        commits=(
            commit(
                "ttl",
                -25,
                "fresher prices",
                patch("catalog/cache.rb", "-  PRICE_TTL = 15.minutes\n+  PRICE_TTL = 5.seconds"),
            ),
            commit("doc", -6, "comment", patch("catalog/cache.rb", "+# prices are cached per product")),
        ),
        guilty="ttl",
        mechanism=("cache_failure", "config_change"),
    ),
    Scenario(
        name="a dropped index is blamed for the sequential scans",
        service="search",
        alert="search latency above 800ms",
        moved=(
            moved("search", "latency", "search_latency_p99", 11),
            moved("search", "database", "seq_scan on listing", 25),
            moved("search", "database", "SELECT * FROM listing WHERE city_id = $1 AND price < $2", 19),
        ),
        changes=(change("migration", "search", -22, "0042_cleanup", "mig"), deploy("search", -4, "log")),
        commits=(
            commit(
                "mig",
                -60,
                "clean up unused indexes",
                patch("search/migrations/0042_cleanup.sql", "+DROP INDEX idx_listing_city_price;"),
            ),
            commit(
                "log",
                -9,
                "log query id",
                patch("search/api.py", '-log.debug("query")\n+log.debug("query", extra={"id": qid})'),
            ),
        ),
        guilty="mig",
        mechanism=("missing_index",),
    ),
    Scenario(
        name="a migration that rewrites a big table blocks its writers",
        service="orders",
        alert="orders write latency above 5s",
        moved=(
            moved("orders", "latency", "insert order p99", 20),
            moved("orders", "database", "waiting for AccessExclusiveLock on relation orders", 25),
            moved("orders", "log", "canceling statement due to lock timeout", 12),
        ),
        changes=(change("migration", "orders", -1, "2026_add_channel", "alter"), deploy("orders", -30, "ui")),
        commits=(
            commit(
                "alter",
                -200,
                "order channel",
                patch(
                    "db/migrate/2026_add_channel.sql",
                    "+ALTER TABLE orders ALTER COLUMN id TYPE bigint;\n+CREATE INDEX orders_channel ON orders (channel);",
                ),
            ),
            commit("ui", -45, "button text", patch("orders/web/Button.tsx", "-<b>Buy</b>\n+<b>Buy now</b>")),
        ),
        guilty="alter",
        mechanism=("lock_contention",),
    ),
    Scenario(
        name="a memory limit cut in the manifest gets pods killed, not the deploy nearer to it",
        service="images",
        alert="images pods OOMKilled repeatedly",
        moved=(
            moved("images", "memory", "container_oom_events_total", 15),
            moved("images", "log", "Back-off restarting failed container OOMKilled", 12),
        ),
        changes=(change("config", "images", -25, "manifest applied", "lim"), deploy("images", -5, "ren")),
        commits=(
            commit(
                "lim",
                -40,
                "right-size",
                patch(
                    "k8s/images/deployment.yaml",
                    "         limits:\n-          memory: 1Gi\n+          memory: 256Mi",
                ),
            ),
            commit(
                "ren",
                -12,
                "rename helper",
                patch(
                    "images/resize.py",
                    "-def _sz(img):\n+def _size(img):\n-    w = _sz(img)\n+    w = _size(img)",
                ),
            ),
        ),
        guilty="lim",
        mechanism=("config_change", "memory_leak"),
    ),
    Scenario(
        name="an environment variable that is not set crashes the new pods only",
        service="cart",
        alert="cart pods in CrashLoopBackOff",
        moved=(
            moved("cart", "log", "KeyError: 'CART_REDIS_URL'", 15),
            moved("cart", "other", "kube_pod_container_status_restarts_total", 12),
        ),
        changes=(deploy("cart", -6, "env", "v9"), deploy("cart", -80, "fix", "v8")),
        commits=(
            commit(
                "env",
                -15,
                "one name for redis",
                patch(
                    "cart/settings.py",
                    '-REDIS = os.environ.get("REDIS_URL", "redis://cache")\n+REDIS = os.environ["CART_REDIS_URL"]',
                ),
            ),
            commit(
                "fix",
                -95,
                "handle empty carts",
                patch("cart/app.py", "+    if not items:\n+        return []"),
            ),
        ),
        cluster=ClusterState(
            pods=(_pod("cart-1", "v9", "CrashLoopBackOff", 6), _pod("cart-2", "v8", None, 0))
        ),
        guilty="env",
        mechanism=("bad_deploy", "config_change"),
    ),
    Scenario(
        name="an image tag that does not exist cannot be pulled",
        service="mailer",
        alert="mailer unavailable replicas",
        moved=(
            moved(
                "mailer",
                "log",
                'Failed to pull image "registry/mailer:v1.22": manifest unknown ImagePullBackOff',
                15,
            ),
        ),
        changes=(change("config", "mailer", -4, "values", "tag"), deploy("templates", -2, "tpl")),
        commits=(
            commit(
                "tag",
                -8,
                "release mailer",
                patch(
                    "charts/mailer/values.yaml",
                    " image:\n   repository: registry/mailer\n-  tag: v1.21\n+  tag: v1.22",
                ),
            ),
            commit("tpl", -5, "new template", patch("templates/welcome.html", "+<p>Hello</p>")),
        ),
        guilty="tag",
        mechanism=("bad_deploy", "config_change"),
    ),
    Scenario(
        name="a flag that names the failing code path and turns exactly then is blamed when diffs are harmless",
        service="checkout",
        alert="checkout error rate above 3%",
        moved=(
            moved("checkout", "errors", "http_5xx", 14),
            moved("checkout", "log", "express payment wallet: unsupported currency", 16),
        ),
        changes=(flag("checkout", -1, "express_wallet_payment off->on"), deploy("checkout", -15, "doc")),
        commits=(commit("doc", -30, "docs", patch("docs/checkout.md", "+text")),),
        guilty="flag:checkout:-1",
        mechanism=("config_change", "bad_deploy"),
    ),
    Scenario(
        name="an IAM statement removed by terraform denies the uploads",
        service="uploads",
        alert="uploads 5xx above 10%",
        moved=(
            moved(
                "uploads",
                "log",
                "AccessDenied: not authorized to perform s3:PutObject on bucket user-media",
                20,
            ),
            moved("uploads", "errors", "http_5xx_ratio", 12),
        ),
        changes=(
            change("infrastructure", None, -5, "terraform apply", "iam"),
            deploy("uploads", -40, "lint"),
        ),
        commits=(
            commit(
                "iam",
                -12,
                "least privilege",
                patch(
                    "terraform/iam/uploads.tf",
                    '   actions = [\n     "s3:GetObject",\n-    "s3:PutObject",\n   ]\n   resources = ["arn:aws:s3:::user-media/*"]',
                ),
            ),
            commit("lint", -55, "lint", patch("uploads/api.py", "-import os, sys\n+import os\n+import sys")),
        ),
        guilty="iam",
        mechanism=("config_change",),
    ),
    Scenario(
        name="a routing rule changed in the ingress gives 404",
        service="web",
        alert="404 ratio above 20% on /api/v2",
        moved=(
            moved("web", "errors", 'nginx_ingress_requests{status="404",path="/api/v2/items"}', 20),
            moved("items", "traffic", "requests_per_second", 9, 0, -1),
        ),
        changes=(change("config", "web", -2, "ingress", "ing"), deploy("items", -20, "dep")),
        commits=(
            commit(
                "ing",
                -6,
                "simplify routes",
                patch("ingress/web.yaml", "-      - path: /api/v2(/|$)(.*)\n+      - path: /api(/|$)(.*)"),
            ),
            commit(
                "dep",
                -40,
                "bump",
                patch("items/go.mod", "-\tgithub.com/x/y v1.2.0\n+\tgithub.com/x/y v1.2.1"),
            ),
        ),
        guilty="ing",
        mechanism=("config_change",),
    ),
    Scenario(
        name="fewer workers let the queue grow, not the harmless deploy of the producer",
        service="worker",
        alert="queue depth of thumbnails above 10k",
        shape="ramp",
        moved=(
            moved("worker", "queue", "rabbitmq_queue_messages_ready", 25),
            moved("worker", "latency", "job wait seconds", 12),
        ),
        changes=(change("scale", "worker", -8, "replicas", "scale"), deploy("api", -3, "typo")),
        commits=(
            commit(
                "scale",
                -9,
                "save cost",
                patch("k8s/worker/deployment.yaml", " spec:\n-  replicas: 12\n+  replicas: 2"),
            ),
            commit("typo", -7, "typo", patch("api/views.py", "-    # recieve\n+    # receive")),
        ),
        guilty="scale",
        mechanism=("config_change", "cpu_saturation"),
    ),
)
