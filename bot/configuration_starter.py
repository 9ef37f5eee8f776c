"""The commented configuration that `firstcause init` writes: one source switched on, every other one shown.

A line that starts with `#-` is an example: taking those two characters off switches it on. Other
comments explain. Tests read the file as it is, and with every example switched on.
"""

from __future__ import annotations

import re

TEXT = """\
# firstcause: where to ask, and what is known of your services.
# Secrets are never written here: {env: NAME} is an environment variable, {file: PATH} a file beside this one.
# Lines that start with #- are examples; take the two characters off to use one.
# `firstcause doctor` says what works, what is missing, and the exact grant or flag that mends it.
format: 1

sources:
  # Metrics: Prometheus, Thanos, Mimir, VictoriaMetrics.
  - kind: prometheus
    url: http://127.0.0.1:9090
#-    token: {env: PROMETHEUS_TOKEN}     # or basic: {username: …, password: {file: …}}
#-    tenant: shop                       # X-Scope-OrgID
#-    limits: {timeout: 10s, concurrent: 4}
#-    matchers: {cluster: eu-1}          # labels every series must have, on a server that others share
#-  # A second server of the same kind needs a name; both are asked, and their answers joined.
#-  - kind: prometheus
#-    name: other-region
#-    url: https://prometheus.example

  # Traces: Tempo, Jaeger.
#-  - kind: tempo
#-    url: http://127.0.0.1:3200
#-  - kind: jaeger
#-    url: http://127.0.0.1:16686

  # Logs: Loki; without one, the logs of pods (kubernetes, logs: true).
#-  - kind: loki
#-    url: http://127.0.0.1:3100

  # The cluster, as kubectl would ask; inside of it without kubeconfig and context.
#-  - kind: kubernetes
#-    kubeconfig: kubeconfig
#-    context: production
#-    namespaces: [shop]                 # those that may be read; leave out for all
#-    logs: false

  # Databases: `firstcause sql-role --database shop` prints the role that can look and cannot act.
#-  - kind: postgres
#-    database: shop                     # what series call `datname`
#-    dsn: {env: SHOP_DSN}               # host=… dbname=shop user=firstcause password=…

#-  - kind: mysql
#-    database: stock
#-    host: 127.0.0.1
#-    password: {env: STOCK_PASSWORD}    # of the role in docs/sources/mysql.md

  # What providers say of themselves, in Statuspage's format.
#-  - kind: status_page
#-    url: https://status.payprovider.example

  # Repositories: what was rolled out, its code and its migrations. docs/sources/changes.md
#-  - kind: git
#-    path: ../shop                      # a local clone, as fresh as its last fetch
#-    services: [cart, checkout]         # whose source it holds; leave out for all
#-    folder: services                   # where its migrations are looked for
#-  - kind: github
#-    repository: shop/shop
#-    token: {env: GITHUB_TOKEN}         # fine-grained: contents and deployments, read
#-    environment: production
#-  - kind: gitlab
#-    project: shop/shop
#-    token: {file: gitlab-token}        # scope read_api, role Reporter

  # Other changes: PagerDuty's change events, and what was told to `POST /changes`.
#-  - kind: pagerduty
#-    token: {env: PAGERDUTY_API_KEY}    # a read-only REST API key
#-  - kind: changes

# What is written here counts before what is discovered from the sources; leave out what can be discovered.
#-services:
#-  checkout:
#-    namespace: shop
#-    workload: deployment/checkout
#-    databases: [shop]
#-    repository: services/checkout
#-    dashboards: ["https://grafana.example/d/checkout"]
#-    aliases: [PCHECK1, "Checkout (production)"]   # pager services and alert labels that mean it

# Backstage catalogue files, beside this one: they count before what is discovered.
#-backstage: ["catalog-info.yaml", "services/*/catalog-info.yaml"]

investigation:
  since: 30m        # how long the trouble has lasted, where neither --since nor an alert says it
#-  baseline: 1h    # how long before that counts as usual (default: twice `since`, 1h at least)
  budget: 60s       # how long to investigate before a partial answer

# What `firstcause serve` listens for, and where it speaks: docs/webhooks.md. Nobody is heard without a
# secret; these are looked up by `serve` and `doctor` alone, and have 16 characters at least.
#-serve:
#-  listen: 127.0.0.1:8088
#-  url: https://firstcause.example                  # how people reach it: links on cards and in notes
#-  changes_token: {env: FIRSTCAUSE_CHANGES_TOKEN}   # POST /changes: pipelines, flag services
#-  incidents_token: {env: FIRSTCAUSE_INCIDENTS_TOKEN}   # POST /incidents: people, programs
#-  pagerduty:
#-    secrets: [{env: PAGERDUTY_WEBHOOK_SECRET}]     # of the V3 webhook subscription, several to rotate
#-    token: {env: PAGERDUTY_API_KEY}                # reads alerts; for `notes` it must be able to write
#-    notes: false                                   # write the proposal back as a note
#-    email: firstcause@shop.example                 # of the PagerDuty user whose notes they are
#-  alertmanager:
#-    token: {env: ALERTMANAGER_TOKEN}               # or basic: {username: …, password: {env: …}}
#-  slack:
#-    bot_token: {env: SLACK_BOT_TOKEN}              # xoxb-…
#-    app_token: {env: SLACK_APP_TOKEN}              # xapp-…: Socket Mode; or signing_secret: …
#-    channel: C0INCIDENTS                           # where the cards of pagers' incidents go
#-    channels: {payments: C0PAYMENTS}               # services with a channel of their own
#-  storms: {window: 10m, concurrent: 2, per_service: 1}
#-  retention: {evidence: 90d}
#-  log: text                                        # or json

# Where the record is kept; default: the state directory of the user.
#-store: firstcause.db
# For several replicas, in a PostgreSQL database instead (write one of the two).
#  store_url: {env: FIRSTCAUSE_STORE_URL}           # postgresql://firstcause:…@db.example/firstcause
"""

_EXAMPLE = re.compile(r"^#-", re.MULTILINE)
_VARIABLE = re.compile(r"\{env: (\w+)\}")


def uncommented(text: str = TEXT) -> str:
    """The text with every example switched on."""
    return _EXAMPLE.sub("", text)


def variables(text: str) -> list[str]:
    """The environment variables a configuration names."""
    return sorted(set(_VARIABLE.findall(_EXAMPLE.sub("", text))))
