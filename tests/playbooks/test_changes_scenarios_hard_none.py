# ruff: noqa: E501 - diffs and log lines are quoted as they stand
"""The second set, harder: no change is guilty. Written after the first version of
the judge and before any of them was run.
"""

from __future__ import annotations

from tests.playbooks.test_changes_kit import Scenario, deploy, excerpt, filler, flag, moved, status

HARD_NONE = (
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
)
