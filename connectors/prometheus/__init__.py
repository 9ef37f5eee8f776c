"""Prometheus and what answers its HTTP API: Thanos, Mimir, VictoriaMetrics. `connector` is the way in."""
