# ruff: noqa: E501 - diffs and log lines are quoted as they stand
"""The second set, harder: guilty diffs say little. Written after the first version of
the judge and before any of them was run.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, change, deploy, excerpt, flag, moved

HARD_MORE = (
    Scenario(
        name="bytes written where text was break every older reader",
        service="basket",
        alert="basket error ratio above 5%",
        moved=(
            moved(
                "basket",
                "log",
                "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0) load_basket",
                20,
            ),
            moved("basket", "errors", "http_5xx", 15),
        ),
        changes=(
            deploy("basket", -4, "b1"),
            deploy("basket", -33, "b2"),
            flag("basket", -2, "gift_wrap off->on"),
        ),
        commits=(
            excerpt(
                "b1",
                -20,
                "smaller values in redis",
                "basket/store.py",
                """
 def save_basket(r, basket):
-    r.set(key(basket.id), json.dumps(basket.to_dict()))
+    r.set(key(basket.id), msgpack.packb(basket.to_dict()))
""",
            ),
            excerpt(
                "b2", -50, "type hints", "basket/api.py", "-def load(id):\n+def load(id: str) -> Basket:"
            ),
        ),
        guilty="b1",
        mechanism=("bad_deploy", "bad_data"),
    ),
    Scenario(
        name="a thread pool made of one thread stalls exports",
        service="reporting",
        alert="reporting export latency above 60s; queue rising",
        moved=(
            moved("reporting", "queue", "executor_queued_tasks", 22),
            moved("reporting", "latency", "export_duration_seconds p95", 18),
        ),
        changes=(deploy("reporting", -16, "t1"), deploy("reporting", -3, "t2")),
        commits=(
            excerpt(
                "t1",
                -33,
                "deterministic exports",
                "reporting/src/Exports.java",
                """
-  private final ExecutorService exports = Executors.newFixedThreadPool(16);
+  private final ExecutorService exports = Executors.newSingleThreadExecutor();
""",
            ),
            excerpt(
                "t2",
                -5,
                "javadoc",
                "reporting/src/Exports.java",
                "-  /** Exports. */\n+  /** Runs exports, one after another per tenant. */",
            ),
        ),
        guilty="t1",
        mechanism=("bad_deploy", "config_change"),
    ),
    Scenario(
        name="a feature whose default was turned on calls an unready service",
        service="search",
        alert="search errors above 4%",
        edges=(("search", "reranker"),),
        moved=(
            moved("search", "errors", "search_error_ratio", 14),
            moved("search", "log", "reranker call failed: connection refused", 18),
        ),
        changes=(deploy("search", -3, "f1"), deploy("search", -64, "f2")),
        commits=(
            excerpt(
                "f1",
                -12,
                "tidy defaults",
                "search/config/defaults.yaml",
                " features:\n-  rerank_results: false\n+  rerank_results: true\n   spellcheck: true",
            ),
            excerpt("f2", -90, "shorter snippets", "search/snippets.rb", "-  MAX = 300\n+  MAX = 240"),
        ),
        guilty="f1",
        mechanism=("config_change", "bad_deploy"),
    ),
    Scenario(
        name="a hash made dearer saturates logins",
        service="identity",
        alert="identity cpu above 95%, login latency high",
        moved=(
            moved("identity", "cpu", "container_cpu_usage_cores", 22),
            moved("identity", "latency", "POST /login p99", 20),
        ),
        changes=(deploy("identity", -7, "h1"), deploy("identity", -2, "h2")),
        commits=(
            excerpt(
                "h1",
                -40,
                "follow the new guideline",
                "identity/password.go",
                "-const bcryptCost = 10\n+const bcryptCost = 15",
            ),
            excerpt(
                "h2",
                -5,
                "refactor: move login handler",
                "identity/login.go",
                "-func login(w http.ResponseWriter, r *http.Request) {\n+func (s *Server) login(w http.ResponseWriter, r *http.Request) {",
            ),
        ),
        guilty="h1",
        mechanism=("cpu_saturation",),
    ),
    Scenario(
        name="a library upgrade is weakly blamed when its name is in the stack and nothing else changed",
        service="pdf",
        alert="pdf renderer crashes",
        moved=(
            moved("pdf", "log", "panic: runtime error in github.com/acme/pdfkit.(*Page).Render", 20),
            moved("pdf", "errors", "render_failures_total", 15),
        ),
        changes=(deploy("pdf", -3, "d1"), deploy("pdf", -200, "d0")),
        commits=(
            excerpt(
                "d1",
                -30,
                "bump pdfkit",
                "go.mod",
                "-\tgithub.com/acme/pdfkit v1.8.2\n+\tgithub.com/acme/pdfkit v2.0.0",
            ),
            excerpt(
                "d0",
                -230,
                "log page count",
                "pdf/render.go",
                '-	log.Info("rendered")\n+	log.Info("rendered", "pages", n)',
            ),
        ),
        guilty="d1",
        mechanism=("bad_deploy",),
    ),
    Scenario(
        name="a network policy shuts the database off",
        service="orders",
        alert="orders 5xx above 50%",
        moved=(
            moved(
                "orders",
                "log",
                "could not connect to server: Connection timed out Is the server running on host orders-db port 5432",
                22,
            ),
            moved("orders", "errors", "http_5xx_ratio", 25),
        ),
        changes=(change("config", None, -1, "cluster policies", "n1"), deploy("orders", -25, "n2")),
        commits=(
            excerpt(
                "n1",
                -5,
                "default deny",
                "cluster/policies/orders.yaml",
                "+kind: NetworkPolicy\n+spec:\n+  podSelector: {matchLabels: {app: orders}}\n+  policyTypes: [Egress]\n+  egress: []",
            ),
            excerpt(
                "n2",
                -40,
                "retry message",
                "orders/db.py",
                '-    raise Unavailable("db")\n+    raise Unavailable("database unavailable")',
            ),
        ),
        guilty="n1",
        mechanism=("config_change",),
    ),
)
