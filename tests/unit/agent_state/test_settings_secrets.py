from __future__ import annotations

import pytest

from agent_state.redaction import MASK
from agent_state.settings_secrets import connections_of, masked, unmasked
from opamp.v1 import opamp_pb2 as opamp

SECRETS = ("hush", "Bearer", "PRIVATE", "pa55")


def settings() -> opamp.ConnectionSettingsOffers:
    """Write settings with a secret in every place that can hold one."""
    made = opamp.ConnectionSettingsOffers(hash=b"h")
    made.opamp.destination_endpoint = "wss://h/v1/opamp"
    made.opamp.headers.headers.add(key="Authorization", value="Bearer hush")
    made.opamp.proxy.url = "http://user:pa55@proxy:3128"
    made.opamp.proxy.connect_headers.headers.add(key="Proxy-Authorization", value="Basic hush")
    made.opamp.certificate.cert = b"CERT"
    made.opamp.certificate.private_key = b"PRIVATE"
    made.opamp.certificate.ca_cert = b"CA"
    made.own_metrics.destination_endpoint = "https://m/v1/metrics"
    made.own_metrics.headers.headers.add(key="x-api-key", value="hush")
    made.other_connections["db"].destination_endpoint = "postgres://app:pa55@db/x"
    made.other_connections["db"].other_settings["password"] = "hush"
    made.other_connections["db"].other_settings["pool"] = "5"
    return made


def test_no_secret_is_shown() -> None:
    """Header values, private keys, passwords; what is not secret stays."""
    shown = masked(settings())

    text = str(shown)
    assert not [secret for secret in SECRETS if secret in text]
    assert shown.opamp.proxy.url == f"http://user:{MASK}@proxy:3128"
    assert (shown.opamp.certificate.cert, shown.opamp.certificate.ca_cert) == (b"CERT", b"CA")
    assert shown.other_connections["db"].other_settings["pool"] == "5"
    assert shown.hash == b"h"


def test_original_is_left_alone() -> None:
    """Masking works on a copy."""
    original = settings()
    _ = masked(original)

    assert original == settings()


def test_what_was_read_masked_can_be_written_again() -> None:
    """Read, changed in one place and written: everything else is as it was."""
    edited = masked(settings())
    edited.own_metrics.destination_endpoint = "https://m/other/v1/metrics"

    whole, missing = unmasked(edited, settings())

    expected = settings()
    expected.own_metrics.destination_endpoint = "https://m/other/v1/metrics"
    expected.other_connections["db"].destination_endpoint = whole.other_connections["db"].destination_endpoint
    assert missing == []
    assert whole == expected


def test_new_secrets_take_the_place_of_stored_ones() -> None:
    """Only a mask stands for what is stored."""
    edited = masked(settings())
    edited.opamp.headers.headers[0].value = "Bearer new"

    whole, _ = unmasked(edited, settings())

    assert whole.opamp.headers.headers[0].value == "Bearer new"


def test_masks_without_anything_stored_are_named() -> None:
    """A mask is never taken for a secret."""
    _, missing = unmasked(masked(settings()), None)

    assert missing == [
        "opamp.headers.Authorization",
        "opamp.proxy.url",
        "opamp.proxy.connect_headers.Proxy-Authorization",
        "opamp.certificate.private_key",
        "own_metrics.headers.x-api-key",
        "other_connections.db.destination_endpoint",
        "other_connections.db.other_settings.password",
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "proxy:3128"),
        ("user:pa55@proxy:3128", f"user:{MASK}@proxy:3128"),
        ("http://pa55@proxy", f"http://{MASK}@proxy"),
        ("http://[pa55@", MASK),
        ("http://host/pa55@x", MASK),
    ],
)
def test_passwords_in_addresses_are_masked(url: str, shown: str) -> None:
    """What cannot be understood is masked whole."""
    made = opamp.ConnectionSettingsOffers()
    made.opamp.proxy.url = url

    assert masked(made).opamp.proxy.url == shown


def test_every_connection_has_a_path() -> None:
    """Faults and masks are told with it."""
    assert [path for path, _ in connections_of(settings())] == ["opamp", "own_metrics", "other_connections.db"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://m/v1?api_key=hush&x=1", f"https://m/v1?api_key={MASK}&x=1"),
        ("https://m/v1?x=1&sig=hush&%74oken=hush", f"https://m/v1?x=1&sig={MASK}&%74oken={MASK}"),
        ("https://m/v1?x=a@b&token=", "https://m/v1?x=a@b&token="),
        ("https://m/v1?design=1", "https://m/v1?design=1"),
    ],
)
def test_parameters_that_sound_like_secrets_are_masked(url: str, shown: str) -> None:
    """Wherever an address is shown; written back as it was read, it is whole again."""
    made = settings()
    made.own_metrics.destination_endpoint = url

    read = masked(made)
    whole, missing = unmasked(read, made)

    assert read.own_metrics.destination_endpoint == shown
    assert (whole, missing) == (made, [])


@pytest.mark.parametrize("url", ["https://evil/v1/metrics", "http://m/v1/metrics", "https://m:4318/v1/metrics", ""])
def test_secrets_do_not_follow_to_another_server(url: str) -> None:
    """Whoever may write settings, but not read their secrets, cannot have them sent to him."""
    read = masked(settings())
    read.own_metrics.destination_endpoint = url
    read.other_connections["db"].destination_endpoint = url
    read.opamp.proxy.url = f"http://user:{MASK}@evil:3128"

    whole, missing = unmasked(read, settings())

    assert "hush" not in str(whole.own_metrics)
    assert "hush" not in str(whole.other_connections["db"])
    assert missing == [
        "opamp.proxy.url",
        "opamp.proxy.connect_headers.Proxy-Authorization",
        "own_metrics.headers.x-api-key",
        "other_connections.db.other_settings.password",
    ]
    assert whole.opamp.headers.headers[0].value == "Bearer hush", "the server is the same"


def test_secrets_follow_to_another_path() -> None:
    """The server is the one they were written for."""
    read = masked(settings())
    read.own_metrics.destination_endpoint = "https://m/v2/metrics"

    whole, missing = unmasked(read, settings())

    assert (whole.own_metrics.headers.headers[0].value, missing) == ("hush", [])
