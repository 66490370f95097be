from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent_state.redaction import redact

SECRET = "s3cr3t-canary"  # looked for in everything that is kept
KEYS = st.sampled_from(("password", "api_key", "client_secret", "authorization", "db_token"))
PLAIN = st.dictionaries(st.text("abcdef", min_size=1, max_size=5), st.integers() | st.text("xyz \n#", max_size=9))


@st.composite
def documents(draw: st.DrawFn) -> object:
    """Make a document with secrets at any depth."""
    inner: object = {draw(KEYS): draw(st.sampled_from((SECRET, [SECRET, 1], {"deep": SECRET}, f"{SECRET}\nmore")))}
    for _ in range(draw(st.integers(0, 4))):
        around = draw(PLAIN)
        inner = [around, inner] if draw(st.booleans()) else {**around, "inner": inner}
    return inner


@given(st.binary(max_size=500))
def test_bytes_of_any_kind_never_raise(body: bytes) -> None:
    """A configuration is a stranger's; reading it may not fail."""
    redact(body)
    redact(b"password: " + body)


@given(documents())
def test_no_secret_survives_yaml(document: object) -> None:
    """In any style YAML writes it, the secret is gone and the document still parses."""
    for flow in (True, False):
        kept = redact(yaml.safe_dump(document, default_flow_style=flow).encode())
        assert SECRET.encode() not in kept
        yaml.safe_load(kept)


@given(documents())
def test_no_secret_survives_json(document: object) -> None:
    """JSON stays JSON without its secrets."""
    for indent in (None, 2):
        kept = redact(json.dumps(document, indent=indent).encode())
        assert SECRET.encode() not in kept
        json.loads(kept)
