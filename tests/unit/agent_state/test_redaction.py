from __future__ import annotations

import json

import pytest
import yaml

from agent_state.redaction import MASK, MAX_EVENTS, is_secret_key, redact

CONFIG = b"""# who talks to whom
exporters:
  otlp:
    endpoint: "https://user:hunter2@host:443"  # keep this
    headers:
      Authorization: Bearer abcdefghijkl
      x-api-key: 'k1'
    api_key: ${env:API_KEY}
    tls:
      key_file: /etc/key.pem
      private_key: |
        -----BEGIN RSA PRIVATE KEY-----
        MIIabc
        -----END RSA PRIVATE KEY-----
      insecure: true
    tokens: [one, 2, true]
    shared: &shared sesame
    secret: *shared
    env:
      - name: DB_PASSWORD
        value: in-env
      - value: in-env-too
        name: API_TOKEN
      - {name: LEVEL, value: debug}
"""
SECRETS = (b"hunter2", b"abcdefghijkl", b"k1", b"MIIabc", b"one", b"sesame", b"in-env")


def test_secrets_go_and_the_rest_stays() -> None:
    """Values of secret keys vanish; comments, order, references and harmless values remain."""
    kept = redact(CONFIG)

    for secret in SECRETS:
        assert secret not in kept
    for harmless in (b"# who talks to whom", b"# keep this", b"/etc/key.pem", b"${env:API_KEY}", b"value: debug"):
        assert harmless in kept
    parsed = yaml.safe_load(kept)
    assert parsed["exporters"]["otlp"]["tokens"] == [MASK, MASK, True]
    assert parsed["exporters"]["otlp"]["tls"]["private_key"] == MASK


def test_json_stays_json() -> None:
    """A redacted JSON document can be parsed and differs in its secrets only."""
    body = {"password": "a", "nested": {"token": {"deep": ["y", None, 5]}}, "port": 1, "text": "ä"}

    kept = json.loads(redact(json.dumps(body).encode()))

    assert kept == {"password": MASK, "nested": {"token": {"deep": [MASK, None, MASK]}}, "port": 1, "text": "ä"}


def test_configuration_without_secrets_is_the_same_bytes() -> None:
    """Most configurations are not even parsed."""
    body = b"receivers:\n  otlp: {}\n\xff\xfe"

    assert redact(body) is body


def test_broken_text_is_judged_line_by_line() -> None:
    """What is no YAML still loses its secrets, deeper lines included."""
    kept = redact(b'password = foo\n: : bad: [\napi_key: |\n  a1\n  b1\nok: 1\n\tsecret="x y",\n')

    assert b"foo" not in kept
    assert b"a1" not in kept
    assert b"x y" not in kept
    assert b"ok: 1" in kept


def test_endless_json_on_one_line_loses_its_secrets() -> None:
    """Beyond the parser's budget the cheaper way finds keys inside a line."""
    body = b'{"a": [' + b"1," * MAX_EVENTS + b'1], "password": "x\\"y", "b": {"token": 12}}'

    kept = redact(body)

    assert b'x\\"y' not in kept
    assert b"12}" not in kept


@pytest.mark.parametrize(
    "body",
    [
        b"password: " + b"[" * 200_000,
        b"password: " + b"{a: " * 50_000,
        b"}" + b"token" * 40_000,
        b"}token" + b" " * 200_000 + b"x",
        b"a: &a [x]\npassword: " + b"*a " * 1000,
        b"token: \xff\xfe\x00",
        b"token: \x00",
    ],
)
@pytest.mark.timeout(10)
def test_hostile_documents_cost_little_and_never_raise(body: bytes) -> None:
    """Depth, repetition, aliases and broken bytes end quickly."""
    redact(body)


@pytest.mark.parametrize("key", ["password", "DB_PASSWORD", "x-api-key", "apiKey", "client_secret", "Authorization"])
def test_secret_keys_are_known(key: str) -> None:
    """However it is spelled."""
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["endpoint", "token_url", "password_file", "key_file", "credentials_path"])
def test_pointers_are_no_secrets(key: str) -> None:
    """A path to a secret may be shown."""
    assert not is_secret_key(key)
