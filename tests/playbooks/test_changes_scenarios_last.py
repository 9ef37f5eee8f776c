# ruff: noqa: E101, E501 - diffs and log lines are quoted as they stand
"""The fourth set: mechanisms that the three before left out.

Written after the third set had been run and before any of these was.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, change, deploy, excerpt, filler, flag, moved, status

LAST = (
    Scenario(
        name="a cache key that holds the time of day never hits",
        service="listing",
        alert="listing p99 latency above 700ms",
        moved=(
            moved("listing", "latency", "http_server_duration_p99_ms", 14),
            moved("listing", "other", "redis_keyspace_hits_ratio", 20, 0, -1),
            moved("listing", "traffic", "upstream_requests_per_sec", 15, 0),
        ),
        changes=(deploy("listing", -13, "c1"), deploy("listing", -5, "c2")),
        commits=(
            *filler(8, -200, -14, "services/listing"),
            excerpt(
                "c1",
                -25,
                "fix: never show stale prices after midnight",
                "services/listing/cache.go",
                """
-	key := fmt.Sprintf("listing:%s:%d", category, page)
+	key := fmt.Sprintf("listing:%s:%d:%d", category, page, time.Now().Unix())
 	if v, ok := c.rdb.Get(ctx, key); ok {
""",
            ),
            excerpt(
                "c2",
                -8,
                "refactor: name the page size",
                "services/listing/page.go",
                "-	return items[:24]\n+	return items[:pageSize]\n+}\n+\n+const pageSize = 24\n",
            ),
        ),
        guilty="c1",
        mechanism=("cache_failure", "bad_deploy"),
    ),
    Scenario(
        name="a rate limit lowered at the gateway turns customers away",
        service="gateway",
        alert="gateway 429 ratio above 10%",
        moved=(
            moved("gateway", "errors", 'http_requests_total{code="429"} ratio', 20),
            moved("gateway", "log", "rate limit exceeded for client", 18),
        ),
        changes=(change("config", "gateway", -6, "helm upgrade", "r1"), deploy("gateway", -2, "r2")),
        commits=(
            excerpt(
                "r1",
                -15,
                "protect the backends",
                "charts/gateway/values.yaml",
                " rateLimit:\n-  requestsPerSecond: 500\n+  requestsPerSecond: 50\n   burst: 100",
            ),
            excerpt(
                "r2",
                -4,
                "log client id",
                "gateway/limit.go",
                '-	log.Warn("rate limit exceeded")\n+	log.Warn("rate limit exceeded", "client", id)',
            ),
        ),
        guilty="r1",
        mechanism=("config_change",),
    ),
    Scenario(
        name="prefetching whole queues fills the consumer's memory",
        service="indexer",
        alert="indexer OOMKilled",
        shape="ramp",
        moved=(
            moved("indexer", "memory", "container_memory_working_set_bytes", 20, -8),
            moved("indexer", "log", "OOMKilled", 14),
        ),
        changes=(deploy("indexer", -22, "p1"), deploy("indexer", -4, "p2")),
        commits=(
            excerpt(
                "p1",
                -40,
                "throughput",
                "indexer/consumer.py",
                "-channel.basic_qos(prefetch_count=50)\n+channel.basic_qos(prefetch_count=50000)",
            ),
            excerpt(
                "p2", -6, "typing", "indexer/doc.py", "-def build(msg):\n+def build(msg: Message) -> Doc:"
            ),
        ),
        guilty="p1",
        mechanism=("config_change", "memory_leak"),
    ),
    Scenario(
        name="a clause that checks the tenant was lost and wrong results come back without errors",
        service="reports",
        alert="reports: customers see totals that differ from invoices",
        moved=(
            moved("reports", "other", "report_invoice_mismatch_total", 15),
            moved("reports", "database", "rows_returned per report", 12),
        ),
        changes=(deploy("reports", -40, "t1"), deploy("reports", -9, "t2")),
        commits=(
            excerpt(
                "t1",
                -55,
                "cleanup of the report query",
                "reports/sql/totals.sql",
                " SELECT sum(amount) FROM invoice i\n- WHERE i.tenant_id = :tenant AND i.voided = false\n+ WHERE i.tenant_id = :tenant",
            ),
            excerpt("t2", -12, "header colour", "reports/web/app.css", "-h1{color:black}\n+h1{color:navy}"),
        ),
        guilty="t1",
        mechanism=("slow_query", "bad_data", "bad_deploy"),
    ),
    Scenario(
        name="a heap made smaller collects garbage all day",
        service="pricing",
        alert="pricing p99 above 1s; gc time high",
        moved=(
            moved("pricing", "memory", "jvm_gc_pause_seconds heap used ratio", 18),
            moved("pricing", "cpu", "process_cpu_usage", 14),
            moved("pricing", "latency", "http_server_requests p99", 13),
        ),
        changes=(change("config", "pricing", -17, "values", "h1"), deploy("pricing", -3, "h2")),
        commits=(
            excerpt(
                "h1",
                -30,
                "fit smaller nodes",
                "deploy/pricing/values.yaml",
                '-  JAVA_OPTS: "-Xmx2g -Xms2g"\n+  JAVA_OPTS: "-Xmx384m -Xms384m"',
            ),
            excerpt("h2", -6, "comment", "pricing/src/Rule.java", "-  // rule\n+  // a pricing rule"),
        ),
        guilty="h1",
        mechanism=("config_change", "memory_leak"),
    ),
    Scenario(
        name="a listener registered per request piles up",
        service="live",
        alert="live node heap above 90%",
        shape="ramp",
        moved=(
            moved("live", "memory", "nodejs_heap_size_used_bytes", 20, -40),
            moved(
                "live", "log", "MaxListenersExceededWarning: Possible EventEmitter memory leak detected", 15
            ),
        ),
        changes=(deploy("live", -110, "l1"), deploy("live", -7, "l2"), flag("live", -4, "reactions off->on")),
        commits=(
            excerpt(
                "l1",
                -130,
                "push updates at once",
                "live/src/socket.js",
                "   app.get('/stream', (req, res) => {\n+    bus.on('update', (u) => res.write(format(u)));\n     res.flushHeaders();",
            ),
            excerpt(
                "l2",
                -9,
                "rename",
                "live/src/room.js",
                "-const r = rooms.get(id);\n-r.join(user);\n+const room = rooms.get(id);\n+room.join(user);",
            ),
        ),
        guilty="l1",
        mechanism=("memory_leak",),
    ),
    Scenario(
        name="a content network's outage is not the fault of the image resizer's tidying",
        service="web",
        alert="web asset errors above 20%",
        moved=(
            moved("web", "errors", "asset_fetch_errors", 18),
            moved("web", "log", "GET https://cdn.fastedge.example/app.js 503", 20),
        ),
        changes=(deploy("web", -14, "d1"),),
        commits=(
            excerpt(
                "d1",
                -25,
                "tidy asset urls",
                "web/src/assets.ts",
                "-  return base + '/' + name;\n+  return join(base, name);\n+}\n+\n+function join(base: string, name: string) {\n+  return base + '/' + name;",
            ),
        ),
        status=(status(-1, "fastedge", "CDN", "major outage", "503 in Europe"),),
        guilty=None,
        mechanism=("external_provider",),
    ),
    Scenario(
        name="an API key that the partner let expire is not the client refactor's fault",
        service="rates",
        alert="rates fetch failures",
        moved=(
            moved("rates", "log", "GET https://api.fx.example/latest 401 Unauthorized: API key expired", 22),
            moved("rates", "errors", "fetch_failures_total", 16),
        ),
        changes=(deploy("rates", -75, "k1"), flag("web", -5, "currency_picker off->on")),
        commits=(
            excerpt(
                "k1",
                -90,
                "tidy client",
                "rates/client.py",
                "-    resp = session.get(URL, headers=HEADERS)\n-    return resp.json()\n+    return session.get(URL, headers=HEADERS).json()",
            ),
        ),
        guilty=None,
    ),
    Scenario(
        name="a broker that lost its leader is not the producer's fault",
        service="orders",
        alert="orders publish errors",
        moved=(
            moved(
                "orders",
                "log",
                "NotLeaderForPartitionException: this server is not the leader for that topic-partition",
                20,
            ),
            moved("kafka", "other", "UnderReplicatedPartitions", 15, -1),
            moved("billing", "queue", "consumer lag", 12, 1),
        ),
        changes=(deploy("orders", -19, "b1"),),
        commits=(
            excerpt(
                "b1",
                -30,
                "name the topic once",
                "orders/publish.kt",
                '-    producer.send(ProducerRecord("orders", id, body))\n+    producer.send(ProducerRecord(TOPIC, id, body))\n+}\n+\n+const val TOPIC = "orders"',
            ),
        ),
        guilty=None,
    ),
    Scenario(
        name="a lunch-time peak that is larger than ever is a surge",
        service="menu",
        alert="menu p95 above 500ms",
        shape="ramp",
        moved=(
            moved("gateway", "traffic", "requests_per_second", 16, -10),
            moved("menu", "traffic", "requests_per_second", 16, -10),
            moved("orders", "traffic", "requests_per_second", 14, -10),
            moved("menu", "pool", "db_pool_in_use", 12, -1),
            moved("menu", "latency", "p95", 12, 0),
        ),
        edges=(("gateway", "menu"), ("gateway", "orders")),
        changes=(deploy("menu", -45, "m1"), deploy("orders", -16, "m2")),
        commits=(
            *filler(6, -300, -20, "services/menu"),
            excerpt(
                "m1",
                -60,
                "allow more idle connections",
                "services/menu/db.go",
                "-	db.SetMaxIdleConns(5)\n+	db.SetMaxIdleConns(10)",
            ),
            excerpt(
                "m2",
                -25,
                "wording",
                "services/orders/mail.go",
                '-	subject := "Your order"\n+	subject := "Your order is on its way"',
            ),
        ),
        guilty=None,
        mechanism=("traffic_surge",),
    ),
    Scenario(
        name="a disk that answers slowly makes queries slow without a change",
        service="invoices",
        alert="invoices query latency above 1s",
        moved=(
            moved("invoices", "latency", "query p99", 14),
            moved(None, "disk", "node_disk_read_time_seconds io wait on db-0", 20, -2),
            moved("invoices", "database", "SELECT * FROM invoice WHERE number = $1", 12),
        ),
        changes=(deploy("invoices", -38, "q1"), deploy("web", -6, "q2")),
        commits=(
            excerpt(
                "q1",
                -50,
                "select what is needed",
                "invoices/store.py",
                '-Q = "SELECT * FROM invoice WHERE number = %s"\n+Q = "SELECT id, number, total FROM invoice WHERE number = %s"',
            ),
            excerpt("q2", -9, "footer", "web/footer.html", "-2025\n+2026"),
        ),
        guilty=None,
    ),
    Scenario(
        name="a third party's new response shape breaks the parser without a change here",
        service="shipping",
        alert="shipping quote failures above 8%",
        moved=(
            moved(
                "shipping",
                "log",
                "cannot parse quote from carrier api: unexpected null at price source=parcelco",
                20,
            ),
            moved("shipping", "errors", "quote_failures", 15),
        ),
        changes=(deploy("shipping", -29, "s1"),),
        commits=(
            excerpt(
                "s1",
                -45,
                "refactor quote parsing",
                "shipping/quote.ts",
                "-  const price = body.price;\n-  const days = body.days;\n-  return { price, days };\n+  return parseQuote(body);\n+}\n+\n+function parseQuote(body: Body): Quote {\n+  const { price, days } = body;\n+  return { price, days };",
            ),
        ),
        guilty=None,
        mechanism=("bad_data",),
    ),
)
