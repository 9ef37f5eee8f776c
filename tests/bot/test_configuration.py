"""firstcause.yaml: what is read, and the one line said of what is not."""

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import SecretStr

from bot import configuration, configuration_starter, live
from bot.errors import BadInputError
from bot.live_changes import GitFields
from bot.live_fields import HttpFields
from bot.live_kinds import KINDS
from bot.live_observations import KubernetesFields
from bot.settings import Settings

SECRET = "s3cr3t-value"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "firstcause.yaml"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(BadInputError) as caught:
        configuration.load(written(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


def http(source: object) -> HttpFields:
    assert isinstance(source, HttpFields)
    return source


def test_several_instances_of_a_source_are_told_apart_by_name(tmp_path: Path) -> None:
    read = configuration.load(
        written(
            tmp_path,
            "sources:\n"
            "  - {kind: prometheus, name: eu, url: 'http://eu:9090'}\n"
            "  - {kind: prometheus, name: us, url: 'https://us/prom', tenant: shop, limits: {timeout: 3s}}\n",
        )
    )
    assert [source.title for source in read.sources] == ["prometheus/eu", "prometheus/us"]
    endpoint = http(read.sources[1]).endpoint()
    assert endpoint.headers["X-Scope-OrgID"] == "shop"
    assert endpoint.limits.timeout_seconds == 3.0


def test_secrets_come_from_the_environment_and_from_files_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_TOKEN", SECRET)
    (tmp_path / "password").write_text(SECRET + "\n")
    read = configuration.load(
        written(
            tmp_path,
            "sources:\n"
            "  - {kind: prometheus, name: a, url: 'http://a', token: {env: PROMETHEUS_TOKEN}}\n"
            "  - kind: prometheus\n    name: b\n    url: http://b\n"
            "    basic: {username: reader, password: {file: password}}\n"
            "    headers: {X-Plain: seen, X-Api-Key: {env: PROMETHEUS_TOKEN}}\n",
        )
    )
    first, second = (http(source).endpoint() for source in read.sources)
    assert first.headers["Authorization"] == f"Bearer {SECRET}"
    assert second.basic == ("reader", SECRET)
    assert second.headers == {"X-Plain": "seen", "X-Api-Key": SECRET}
    assert SECRET not in repr(read) + repr(first) + repr(second)


BAD = {
    "sources:\n  - kind: prometheus\n    ulr: http://a\n": (
        "firstcause.yaml, line 2: sources[0].url: is missing"
    ),
    "sources:\n  - kind: prometheus\n    url: http://a\n    tokn: {env: A}\n": (
        "line 4: sources[0].tokn: unknown key; the nearest known is `token`"
    ),
    "sources:\n  - kind: promethues\n    url: http://a\n": (
        "line 2: sources[0].kind: no kind is called 'promethues'; the nearest known is `prometheus`"
    ),
    "sources:\n  - url: http://a\n": "line 2: sources[0].kind: is missing",
    "sources:\n  - just text\n": "line 2: sources[0]: must be a mapping with `kind`",
    "sources: {}\n": "line 1: sources: at least one source is needed",
    "services: {}\n": "sources: at least one source is needed",
    f"sources:\n  - kind: prometheus\n    url: http://a\n    token: {SECRET}\n": (
        "line 4: sources[0].token: a secret is never written here: write {env: NAME} or {file: PATH}"
    ),
    "sources:\n  - kind: prometheus\n    url: http://a\n    token: {env: NOT_SET_ANYWHERE}\n": (
        "line 4: sources[0].token: the environment variable NOT_SET_ANYWHERE is not set"
    ),
    "sources:\n  - kind: prometheus\n    url: http://a\n    token: {file: nowhere}\n": (
        "line 4: sources[0].token: the file nowhere cannot be read: No such file or directory"
    ),
    "sources:\n  - kind: prometheus\n    url: http://a\n    token: {env: A, file: b}\n": (
        "line 4: sources[0].token: a secret is named by one of two keys"
    ),
    f"sources:\n  - kind: prometheus\n    url: http://me:{SECRET}@a\n": (
        "line 3: sources[0].url: no credentials in an address: use token or basic"
    ),
    "sources:\n  - kind: prometheus\n    url: a:9090\n": "line 3: sources[0].url: not an address",
    "sources:\n  - {kind: prometheus, uri: 'http://a'}\n": (
        "line 2: sources[0].uri: unknown key; the nearest known is `url`"
    ),
    f"sources:\n  - kind: prometheus\n    url: http://a\n    headers:\n      X-Api-Key: {SECRET}\n": (
        "sources[0].headers: X-Api-Key is a secret"
    ),
    "sources:\n  - kind: prometheus\n    url: http://a\n    limits:\n      concurrent: many\n": (
        "line 5: sources[0].limits.concurrent: must be a valid integer"
    ),
    "sources:\n  - kind: prometheus\n    url: http://a\n    limits: {timeout: 10}\n": (
        "line 4: sources[0].limits.timeout: a duration is a number and a unit, such as 10s"
    ),
    "sources:\n  - {kind: prometheus, url: 'http://a'}\n  - {kind: prometheus, url: 'http://b'}\n": (
        "line 3: sources[1]: two sources are called prometheus; give each a `name`"
    ),
    "sources:\n  - {kind: prometheus, url: 'http://a'}\nservices:\n  cart: {database: shop}\n": (
        "line 4: services.cart.database: unknown key; the nearest known is `databases`"
    ),
    "sources:\n  - {kind: prometheus, url: 'http://a'}\nservices:\n  cart:\n    databases: shop\n": (
        "line 5: services.cart.databases: must be a list, such as [one, two]"
    ),
    f"sources:\n  - kind: postgres\n    database: a\n    dsn: host=b password={SECRET}\n": (
        "line 4: sources[0].dsn: a connection string with a password is a secret"
    ),
    f"sources:\n  - kind: postgres\n    database: a\n    dsn: postgresql://me:{SECRET}@b/a\n": (
        "line 4: sources[0].dsn: a connection string with a password is a secret"
    ),
    "source: []\n": "line 1: source: unknown key; the nearest known is `sources`",
    "sources:\n  - {kind: prometheus, url: 'http://a'}\nformat: 2\n": "line 3: format: must be 1",
    "a: &a [1]\nb: *a\n": "line 2: not readable YAML: aliases are not read",
    "sources: []\nsources: []\n": "line 2: not readable YAML: sources is written twice",
    "sources: [\n": "line 2: not readable YAML",
    "1: 2\n": "line 1: not readable YAML: a key must be a text",
    "- a\n": "must hold one mapping with `sources`",
    "": "must hold one mapping with `sources`",
    "a: 1\n---\nb: 1\n": "must hold one mapping with `sources`",
    "[" * 5000: "not readable YAML",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_one_line_with_file_line_and_field(text: str, tmp_path: Path) -> None:
    assert BAD[text] in refusal(tmp_path, text)


def test_a_file_too_large_to_be_a_configuration_is_refused(tmp_path: Path) -> None:
    assert "larger than 1024 KiB" in refusal(tmp_path, "# " + "x" * 2**20)


def test_a_path_begins_at_the_configuration_and_a_tilde_is_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(SECRET)
    text = (
        "sources:\n  - {kind: kubernetes, kubeconfig: ~/.kube/config, helm: off}\n"
        "  - {kind: git, path: ../shop}\n"
        "  - {kind: prometheus, url: 'http://a', token: {file: ~/token}}\n"
    )
    cluster, clone, metrics = configuration.load(written(tmp_path, text)).sources
    assert isinstance(cluster, KubernetesFields)
    assert (cluster.kubeconfig, cluster.helm) == (f"{tmp_path}/home/.kube/config", "off")
    assert isinstance(clone, GitFields)
    assert clone.path == f"{tmp_path}/../shop"
    assert http(metrics).endpoint().headers["Authorization"] == f"Bearer {SECRET}"
    assert "home directory of ~nobody-here/x" in refusal(
        tmp_path, "sources:\n  - {kind: git, path: ~nobody-here/x}\n"
    )


def test_without_a_file_the_line_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match="firstcause init"):
        configuration.find(None, Settings(FIRSTCAUSE_CONFIG=None))
    written(tmp_path, "")
    assert configuration.find(None, Settings(FIRSTCAUSE_CONFIG=None)) == Path("firstcause.yaml")
    with pytest.raises(BadInputError, match=r"other\.yaml: no such file"):
        configuration.find(Path("other.yaml"), Settings(FIRSTCAUSE_CONFIG=None))


def test_the_starter_is_a_configuration_that_names_every_kind_and_its_schema_accepts_it(
    tmp_path: Path,
) -> None:
    read = configuration.load(written(tmp_path, configuration_starter.TEXT))
    assert [source.kind for source in read.sources] == ["prometheus"]
    assert read.investigation.since == timedelta(minutes=30)
    whole = configuration_starter.uncommented()
    named = {source["kind"] for source in yaml.safe_load(whole)["sources"]}
    assert named == set(KINDS)
    schema = configuration.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for text in (configuration_starter.TEXT, whole):
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(yaml.safe_load(text))))


def test_the_secrets_of_serve_are_looked_up_when_it_serves_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "sources: [{kind: changes}]\nserve:\n  changes_token: {env: TOLD}\n  incidents_token: {file: told}\n"
    )
    read = configuration.load(written(tmp_path, text))
    with pytest.raises(
        BadInputError, match=r"line 3: serve\.changes_token: the environment variable TOLD is not"
    ):
        _ = read.serve
    monkeypatch.setenv("TOLD", SECRET)
    with pytest.raises(BadInputError, match=r"line 4: serve\.incidents_token: the file told cannot be read"):
        _ = read.serve
    (tmp_path / "told").write_text(SECRET + "2")
    assert read.serve.changes_token is not None
    assert read.serve.incidents_token is not None
    assert read.serve.changes_token.get_secret_value() == SECRET
    assert read.serve.incidents_token.get_secret_value() == SECRET + "2"


@pytest.mark.parametrize(
    ("serve", "says"),
    [
        ("changes_token: written-out", "changes_token: a secret is never written here"),
        ("changes_token: {env: A, file: b}", "changes_token: a secret is named by one of two keys"),
        ("pagerdty: {}", "pagerdty: unknown key; the nearest known is `pagerduty`"),
        ("pagerduty: {secrets: []}", "pagerduty: secrets needs at least one"),
        ("pagerduty: {secrets: {env: A}}", "pagerduty.secrets: must be a list"),
        ("pagerduty: {secrets: [{env: A}], notes: true}", "notes need `token`"),
        ("pagerduty: {secrets: [{env: A}], notes: true, token: {env: B}}", "and `email`"),
        ("pagerduty: {secrets: [{env: A}], api: 'http://pager.example'}", "api must be https"),
        ("alertmanager: {}", "alertmanager: needs `token`"),
        ("alertmanager: {basic: {username: u}}", "alertmanager.basic.password: is missing"),
        ("slack: {bot_token: {env: A}}", "slack: needs app_token (Socket Mode) or signing_secret"),
        ("slack: {app_token: {env: A}}", "slack.bot_token: is missing"),
        ("listen: nowhere", "serve.listen"),
        ("storms: {window: 10}", "serve.storms.window: a duration is a number and a unit"),
        ("storms: {concurrent: 0}", "serve.storms.concurrent"),
        ("log: xml", "serve.log: must be 'text' or 'json'"),
    ],
)
def test_what_serve_cannot_use_is_said_by_every_command_and_without_its_secrets(
    tmp_path: Path, serve: str, says: str
) -> None:
    message = refusal(tmp_path, f"sources: [{{kind: changes}}]\nserve:\n  {serve}\n")
    assert says in message
    assert "line 3" in message


def test_the_starter_with_every_comment_taken_off_makes_every_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = configuration_starter.uncommented()
    for name in configuration_starter.variables(whole):
        monkeypatch.setenv(name, "dbname=shop" if "DSN" in name else SECRET)
    for name in ("gitlab-token",):
        (tmp_path / name).write_text(SECRET)
    (tmp_path / "catalog-info.yaml").write_text("kind: Component\nmetadata: {name: cart}\n")
    (tmp_path / "services" / "cart").mkdir(parents=True)
    (tmp_path / "services" / "cart" / "catalog-info.yaml").write_text("kind: System\n")
    read = configuration.load(written(tmp_path, whole))
    assert {source.kind for source in read.sources} == set(KINDS)
    sources = live.connected(read, tmp_path / "store.db")
    assert len(sources.connectors) == len(read.sources)
    sources.close()


SOURCE = "sources: [{kind: prometheus, url: 'http://a'}]\n"


def test_the_store_may_be_a_database_whose_password_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://firstcause:{SECRET}@db/firstcause"
    monkeypatch.setenv("STORE_URL", url)
    read = configuration.load(written(tmp_path, SOURCE + "store_url: {env: STORE_URL}\n"))
    assert read.store == SecretStr(url)
    assert SECRET not in repr(read)


@pytest.mark.parametrize(
    ("store", "complaint"),
    [
        ("store: a.db\nstore_url: postgresql://db/firstcause\n", "write one of them"),
        ("store_url: mysql://db/firstcause\n", "begins with postgresql://"),
        (f"store_url: postgresql://me:{SECRET}@db/firstcause\n", "is a secret"),
    ],
)
def test_a_store_that_cannot_be_meant_is_refused(tmp_path: Path, store: str, complaint: str) -> None:
    assert complaint in refusal(tmp_path, SOURCE + store)


def test_where_the_store_is_needs_none_of_the_other_secrets(tmp_path: Path) -> None:
    source = "sources: [{kind: prometheus, url: 'http://a', token: {env: NOT_SET}}]\n"
    path = written(tmp_path, source + "store: kept.db\n")
    assert configuration.store_of(path, Settings()) == tmp_path / "kept.db"
