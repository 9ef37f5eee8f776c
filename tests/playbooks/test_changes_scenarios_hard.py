"""A second set, harder: decoys touch the very code that fails, guilty diffs say little, repositories are busy.

Written after the first version of the judge and before any of them was run.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, change, deploy, excerpt, filler, flag, moved, status

GUILTY = (
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

INNOCENT = (
    Scenario(
        name="a payment provider's slowness is not the fault of the tidied payment client",
        service="paymentservice",
        alert="paymentservice p99 latency above 3s; timeouts calling acquirer",
        moved=(
            moved("paymentservice", "latency", "acquirer_call_duration_p99_ms", 25),
            moved(
                "paymentservice",
                "log",
                "charge failed: POST https://api.acquirer.example/v1/charges: 504 Gateway Timeout",
                22,
            ),
            moved("checkoutservice", "errors", "http_5xx_rate", 9, 2),
        ),
        edges=(("checkoutservice", "paymentservice"),),
        changes=(
            deploy("paymentservice", -12, "a1"),
            flag("checkoutservice", -4, "checkout_one_page off->on"),
        ),
        commits=(
            *filler(14, -300, -12, "services/payment"),
            excerpt(
                "a1",
                -20,
                "refactor: build acquirer requests in one place",
                "services/payment/acquirer.go",
                """
-	req, err := http.NewRequestWithContext(ctx, "POST", base+"/v1/charges", body)
-	if err != nil {
-		return nil, err
-	}
-	return c.do(req)
+	req, err := newCharge(ctx, base, body)
+	if err != nil {
+		return nil, err
+	}
+	return c.do(req)
+}
+
+func newCharge(ctx context.Context, base string, body io.Reader) (*http.Request, error) {
+	return http.NewRequestWithContext(ctx, "POST", base+"/v1/charges", body)
""",
            ),
        ),
        status=(status(-5, "acquirer", "Charges API", "degraded", "elevated latency"),),
        guilty=None,
        mechanism=("external_provider",),
    ),
    Scenario(
        name="a poison message blocks the partition, not the new log line of the consumer",
        service="ledger-writer",
        alert="ledger-writer consumer lag above 50k",
        shape="ramp",
        moved=(
            moved("ledger-writer", "queue", 'kafka_consumergroup_lag{topic="ledger"}', 25),
            moved(
                "ledger-writer",
                "log",
                "failed to decode message topic=ledger partition=7 offset=88123: malformed amount '12,00' producer=legacy-pos",
                22,
            ),
        ),
        changes=(deploy("ledger-writer", -30, "l1"), deploy("ledger-writer", -4, "l2")),
        commits=(
            excerpt(
                "l1",
                -50,
                "refactor decode",
                "ledger/decode.go",
                """
-	var m Entry
-	if err := json.Unmarshal(b, &m); err != nil {
-		return nil, err
-	}
-	return &m, nil
+	m := new(Entry)
+	if err := json.Unmarshal(b, m); err != nil {
+		return nil, fmt.Errorf("decode: %w", err)
+	}
+	return m, nil
""",
            ),
            excerpt(
                "l2",
                -7,
                "log partition",
                "ledger/consume.go",
                '-	log.Debug("got message")\n+	log.Debug("got message", "partition", m.Partition)',
            ),
        ),
        guilty=None,
        mechanism=("bad_data",),
    ),
    Scenario(
        name="a certificate that ran out is not the fault of the change to TLS logging",
        service="edge",
        alert="edge handshake failures above 30%",
        moved=(
            moved(
                "edge",
                "log",
                "remote error: tls: expired certificate; certificate has expired NotAfter=<TS>",
                25,
            ),
            moved("edge", "errors", "tls_handshake_errors_total", 22),
        ),
        changes=(deploy("edge", -10, "c1"),),
        commits=(
            excerpt(
                "c1",
                -25,
                "tidy tls config building",
                "edge/tls.go",
                """
-	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
-	cfg.Certificates = certs
-	return cfg
+	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certs}
""",
            ),
        ),
        guilty=None,
        mechanism=("certificate_expired",),
    ),
    Scenario(
        name="a bot's traffic is a surge, not the fault of the new banner flag",
        service="shopfront",
        alert="shopfront 5xx and queueing; p99 above 2s",
        moved=(
            moved("shopfront", "traffic", "requests_per_sec", 25, -1),
            moved("shopfront", "cpu", "cpu_utilization", 18, 0),
            moved("shopfront", "queue", "request_queue_depth", 20, 0),
            moved("shopfront", "log", "worker pool saturated, request queued", 18),
            moved("catalogue", "traffic", "requests_per_sec", 18, 0),
            moved("cart", "traffic", "requests_per_sec", 15, 0),
        ),
        edges=(("shopfront", "catalogue"), ("shopfront", "cart")),
        changes=(
            deploy("shopfront", -34, "s1"),
            deploy("catalogue", -21, "s2"),
            flag("shopfront", -9, "summer_banner off->on"),
        ),
        commits=(
            *filler(8, -200, -20, "apps/shopfront"),
            excerpt(
                "s1",
                -50,
                "refactor: middleware order",
                "apps/shopfront/server.js",
                "-app.use(logger);\n-app.use(helmet());\n+app.use(helmet());\n+app.use(logger);",
            ),
            excerpt(
                "s2",
                -40,
                "bump dep",
                "apps/catalogue/package.json",
                '-    "lodash": "4.17.20"\n+    "lodash": "4.17.21"',
            ),
        ),
        guilty=None,
        mechanism=("traffic_surge",),
    ),
    Scenario(
        name="a noisy neighbour starves the service, not the extracted scorer",
        service="ranker",
        alert="ranker p99 above 500ms",
        moved=(
            moved("pool-b-node-3", "cpu", "node_cpu_utilization_ratio", 20, -4),
            moved("video-transcode", "cpu", "container_cpu_usage_cores", 22, -5),
            moved("ranker", "cpu", "container_cpu_cfs_throttled_seconds", 14),
            moved("ranker", "latency", "http_server_duration_p99_ms", 14),
            moved("ranker", "log", "handler exceeded latency budget; cpu contended", 10),
        ),
        changes=(deploy("ranker", -26, "r1"), deploy("ranker", -9, "r2")),
        commits=(
            *filler(6, -200, -20, "services/ranker"),
            excerpt(
                "r1",
                -35,
                "refactor: scorer",
                "services/ranker/score.go",
                """
-	for _, c := range cands {
-		out = append(out, w*c.x)
-	}
+	for _, c := range cands {
+		out = append(out, score(c, w))
+	}
+}
+
+func score(c cand, w float64) float64 {
+	return w * c.x
""",
            ),
            excerpt(
                "r2",
                -15,
                "reuse the buffer",
                "services/ranker/buf.go",
                "-	b := make([]byte, 0)\n+	b := pool.Get().([]byte)\n+	defer pool.Put(b)",
            ),
        ),
        guilty=None,
        mechanism=("node_pressure",),
    ),
    Scenario(
        name="a cloud region's object storage outage is not the upload refactor's fault",
        service="media",
        alert="media upload failures above 15%",
        moved=(
            moved("media", "errors", "upload_failures_ratio", 20),
            moved(
                "media",
                "log",
                "PutObject: 503 SlowDown ServiceUnavailable from s3.eu-west-1.amazonaws.com",
                20,
            ),
        ),
        changes=(deploy("media", -18, "u1"),),
        commits=(
            excerpt(
                "u1",
                -30,
                "extract key builder",
                "media/upload.py",
                '-    key = f"{user.id}/{uuid4()}"\n-    s3.put_object(Bucket=BUCKET, Key=key, Body=body)\n+    s3.put_object(Bucket=BUCKET, Key=build_key(user), Body=body)\n+\n+def build_key(user):\n+    return f"{user.id}/{uuid4()}"',
            ),
        ),
        status=(status(2, "AWS", "S3 eu-west-1", "investigating", "Increased error rates"),),
        guilty=None,
        mechanism=("external_provider",),
    ),
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

HARD = (*GUILTY, *INNOCENT)
