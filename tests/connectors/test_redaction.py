"""What is taken out of text, what stays, and that hostile text cannot make it slow."""

from __future__ import annotations

import time

import pytest

from connectors.redaction import SECRET_NAME, redacted, redacted_pairs

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

SECRETS = [
    ("connect failed password=hunter2 user=shop", "hunter2"),
    ('{"password":"hun\\"ter2","user":"shop"}', "ter2"),
    ('msg="{\\"db_password\\":\\"hunter2\\"}"', "hunter2"),
    ("PGPASSWORD=hunter2 psql", "hunter2"),
    ("dbPassword: hunter2", "hunter2"),
    ("password: 'hun ter2'", "ter2"),
    ("spring.datasource.password = hunter2", "hunter2"),
    ("passphrase=>hunter2", "hunter2"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"),
    ("aws_access_key_id AKIAIOSFODNN7EXAMPLE", "AKIAIOSF"),
    ("client_secret=abc123 grant", "abc123"),
    ("x-api-key: 9f8e7d6c", "9f8e7d6c"),
    ("GET /pay?api_key=9f8e7d6c&id=7", "9f8e7d6c"),
    ("GET /pay?token=s3cr3t&id=7", "s3cr3t"),
    ("https://x.blob.example/a?sv=1&sig=abcDEF%2B12", "abcDEF"),
    ("accessToken=abc-def", "abc-def"),
    ("refresh_token: 1//0gABCDEF12345678", "0gABCDEF"),
    ("Authorization: Bearer abcdef123456", "abcdef123456"),
    ("authorization: Basic dXNlcjpwYXNz=", "dXNlcjpwYXNz"),
    ('"Authorization":"Token 0123abcd4567"', "0123abcd4567"),
    ("Set-Cookie: sid=31d4d96e407aad42; Path=/", "31d4d96e"),
    ("cookie=a=b; session=31d4d96e407aad42", "31d4d96e"),
    ("session_id=31d4d96e407aad42", "31d4d96e"),
    (f"jwt {JWT} expired", "dozjgN"),
    (f"jwt {JWT[:60]}", "eyJzdWIi"),
    ("postgres://shop:hunter2@db:5432/shop", "hunter2"),
    ("postgres://shop:hun@ter2@db:5432/shop", "ter2"),
    ("redis://:hunter2@cache:6379/0", "hunter2"),
    ("shop:hunter2@tcp(db:3306)/shop", "hunter2"),
    ("Server=db;AccountKey=abc+/123==;Port=1", "abc+/123"),
    ("push with ghp_" + "a1B2" * 9, "a1B2a1B2"),
    ("glpat-abcdefghij0123456789", "abcdefghij"),
    ("xoxb-123456789012-abcdefABCDEF", "abcdefABCDEF"),
    ("https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX", "XXXXXXXXXXXX"),
    ("sk-proj-abcdefghijklmnopqrstuv", "abcdefghijkl"),
    ("charge with sk_live_abcdefgh12345678", "abcdefgh"),
    ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijkl"),
    ("hvs.CAESIabcdefghijklmnopqrstuvwxyz", "CAESIabc"),
    ("SG.abcdefghijklmnop1234.abcdefghijklmnop1234", "abcdefghijklmnop"),
    ("1234567890:AAabcdefghijklmnopqrstuvwxyz0123456", "AAabcdef"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc/def\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA", "b3Blbn"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----", "lQOYBF"),
    ("line of a key: MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7", "BADANBgk"),
    ("mail from jane.doe+x@example.co.uk bounced", "jane.doe"),
    ("<jane@example.com>", "jane@"),
    ("GET /users/jane@example.com/orders", "jane@"),
    ("mailto:jane@example.com", "jane@"),
    ("user:jane@example.com", "jane@"),
    ("IBAN DE89 3704 0044 0532 0130 00 refused", "3704"),
    ("GB82WEST12345698765432", "WEST1234"),
    ("card 4111 1111 1111 1111 declined", "4111"),
    ("pan=5500005555555559", "5500005555555559"),
    ("amex 3782-822463-10005", "822463"),
    ("ssn 078-05-1120", "078-05-1120"),
    ("call +49 170 1234567 back", "1234567"),
    ("call +1 (555) 010-9999 back", "010-9999"),
    ("cvv=123", "123"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redacted(text)


@pytest.mark.parametrize("text", [text for text, _ in SECRETS])
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "request 123e4567-e89b-12d3-a456-426614174000 took 1204 ms",
        "commit 559e94ce0a3f4c1b8f6f6c8c7b3a2d1e0f9a8b7c deployed",
        "image shop/checkout@sha256:" + "9f" * 32,
        "image registry.example:5000/shop/checkout:1.4.2-rc.1",
        "pod checkout-7d9f8b6c5d-x2x4z on 10.42.3.17:8080",
        "peer [2001:db8::ff00:42:8329]:443",
        "at 2026-11-23T21:36:20.123456789+00:00 and 1795451579923599862 and 1795451579923 and 1795451579",
        '10.0.0.1 - - [23/Nov/2026:21:36:20 +1000] "GET /orders?page=2 HTTP/1.1" 200 4821 "-" "curl/8.1"',
        "npm lodash@4.17.21 and react@18.2.0-rc.1 installed",
        "getty@tty1.service restarted; git@github.com:shop/checkout.git",
        "clone ssh://git@github.com/shop/checkout.git",
        "max_tokens: 512, tokens used 4096",
        "unexpected token: end of file",
        "invalid token; author: someone, authority=kernel",
        "auth: failed for realm x",
        'secret "db-credentials" not found; secretName: db-credentials',
        "password_required=true token=null auth=false",
        "AUTH_TIMEOUT=5s TOKEN_TTL=3600 SECRET_NAME=db",
        "primary_key=17 partition_key=abc cache key: user:17:cart",
        "GET /orders/4111111111111112 404",
        "order 1234567890123456 and 123456789012345678",
        "http://checkout:8080/orders?q=a@b",
        "kafka offset 4929382711 lag 12",
        "SELECT * FROM orders WHERE customer_id = $1 AND status = 'open'",
        "LIMIT 10 OFFSET 20 -- 2024-01-02 03:04:05",
        "queue AB12CD34EF56GH78IJ90 depth 3",
        "disk-0123456789abcdef0123 full; task-abcdefghijklmnopqrstuv done",
        "goroutine 17 [running]: main.go:120 +0x1a4",
        "basic configuration loaded; token bucket refilled; Bearer authentication",
        "duration=0.123456789012345 bytes=5368709120",
        "opened port 3000-4000, 6011 0000 lines",
    ],
)
def test_what_an_investigation_needs_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "unit",
    [
        "password=",
        "a" * 64,
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJaaaaaaaa.",
        "://a:",
        "x@a.",
        "a.a@a.",
        "4111 ",
        "DE89 3704 ",
        "token_",
        "secret.",
        "api_key-",
        "Bearer ",
        "a-",
        "cookie",
        "+49 1",
        "1:AA",
        '\\"',
        "passpass",
        "auth.",
        "A1" * 3,
        "sk-",
        "(?i)",
        "user:pw",
        "@tcp(",
        "apikey",
        "tokenToken",
        "pass:pass=",
        "0-",
    ],
)
def test_the_time_grows_with_the_length_and_no_faster(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        began = time.process_time()
        redacted(text)
        return time.process_time() - began

    short, long = (min(seconds(length) for _ in range(2)) for length in (8_000, 32_000))
    assert long < 9 * short + 0.01  # quadratic growth would be sixteenfold


def test_a_text_too_long_to_read_is_cut() -> None:
    text = redacted("x" * 70_000 + " password=hunter2")
    assert text.endswith("…")
    assert len(text) == 65_537


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "PGPASSWORD",
        "apiKey",
        "X-Api-Key",
        "AWS_SECRET_ACCESS_KEY",
        "http.request.header.authorization",
        "session.id",
        "accessToken",
        "slack-token",
        "CLIENT_SECRET",
        "dsn",
        "connectionString",
    ],
)
def test_the_value_of_a_secret_name_is_taken_out_whole(name: str) -> None:
    assert redacted_pairs([(name, "anything")]) == ((name, "[secret]"),)


@pytest.mark.parametrize(
    "name",
    [
        "service.name",
        "author",
        "secretName",
        "TOKEN_TTL",
        "messaging.kafka.message.key",
        "http.route",
        "primary_key",
        "AUTH_ENABLED",
        "tokenizer",
        "compass",
        "spin",
    ],
)
def test_a_name_that_only_speaks_about_secrets_is_none(name: str) -> None:
    assert SECRET_NAME.search(name) is None


def test_a_harmless_name_does_not_spare_a_secret_in_its_value() -> None:
    assert redacted_pairs([("db.url", "postgres://a:b@c/d")]) == (("db.url", "postgres://[credentials]@c/d"),)
