"""Connection settings between REST and OpAMP: whole, and without secrets on the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import connection_settings as compose
from api_gateway.models import connection_settings as views
from contracts.ids import AgentUid
from fleet.api.v1 import connection_settings_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply
from opamp.v1 import opamp_pb2 as opamp

FULL = {
    "opamp": {
        "destination_endpoint": "wss://o.example.org/v1/opamp",
        "headers": {"Authorization": "Bearer s3cret"},
        "heartbeat_interval_seconds": 15,
        "tls": {
            "ca_pem_contents": "CA",
            "include_system_ca_certs_pool": True,
            "insecure_skip_verify": False,
            "min_version": "1.2",
            "max_version": "1.3",
            "cipher_suites": ["TLS_AES_128_GCM_SHA256"],
        },
        "proxy": {"url": "http://jo:s3cret@proxy:3128", "connect_headers": {"X-Proxy": "s3cret"}},
        "certificate": {"cert": "CERT", "private_key": "s3cret", "ca_cert": "CA"},
    },
    "own_metrics": {"destination_endpoint": "https://t.example.org/v1/metrics", "headers": {"X-Key": "s3cret"}},
    "own_traces": {"destination_endpoint": "https://t.example.org/v1/traces"},
    "own_logs": {"destination_endpoint": "https://t.example.org/v1/logs"},
    "other_connections": {
        "statsd": {
            "destination_endpoint": "statsd:8125",
            "headers": {"X-Other": "s3cret"},
            "other_settings": {"prefix": "edge"},
        }
    },
}
DOCUMENT = views.Settings.model_validate(FULL)


def test_every_member_reaches_the_offer() -> None:
    """Nothing somebody wrote is lost on the way."""
    offers = compose.settings_message(DOCUMENT)

    assert offers.opamp.headers.headers[0].value == "Bearer s3cret"
    assert offers.opamp.heartbeat_interval_seconds == 15
    assert offers.opamp.tls.include_system_ca_certs_pool
    assert list(offers.opamp.tls.cipher_suites) == ["TLS_AES_128_GCM_SHA256"]
    assert offers.opamp.proxy.connect_headers.headers[0].key == "X-Proxy"
    assert offers.opamp.certificate.private_key == b"s3cret"
    assert offers.own_metrics.headers.headers[0].key == "X-Key"
    assert offers.own_logs.destination_endpoint.endswith("/logs")
    assert offers.other_connections["statsd"].other_settings["prefix"] == "edge"


def test_what_nobody_decided_is_absent() -> None:
    """An empty member would be an offer."""
    offers = compose.settings_message(views.Settings.model_validate({"own_logs": FULL["own_logs"]}))

    assert [field.name for field, _ in offers.ListFields()] == ["own_logs"]


def test_an_empty_member_is_still_a_member() -> None:
    """`opamp: {}` decides that agents get the platform's own address."""
    assert compose.settings_message(views.Settings.model_validate({"opamp": {}})).HasField("opamp")


def test_no_secret_goes_further_than_this(conforms: Callable[[Any, Any], None]) -> None:
    """Header values and private keys are masked even if agent-state forgot."""
    policy = messages.ConnectionSettingsPolicy(
        name="edge", settings=compose.settings_message(DOCUMENT), version=3, created_at=Timestamp(seconds=1)
    )
    page = compose.policy_page_view(
        messages.ListConnectionSettingsPoliciesReply(policies=[policy], page=PageReply(total=1)), limit=20, offset=0
    )

    conforms(views.ConnectionSettings, page["connection_settings"][0])
    conforms(views.ConnectionSettingsPage, page)
    assert b"s3cret" not in orjson.dumps(page).replace(b"http://jo:s3cret@", b"")


def test_settings_as_read_go_back_as_they_are() -> None:
    """Whoever reads and writes changes nothing but what they edit; masks travel to agent-state."""
    masked = compose.settings_view(compose.settings_message(DOCUMENT))

    again = compose.settings_message(views.Settings.model_validate(orjson.loads(orjson.dumps(masked))))

    assert compose.settings_view(again) == masked
    assert again.opamp.headers.headers[0].value == views.MASK
    assert again.opamp.certificate.private_key == views.MASK.encode()


def test_what_one_agent_is_offered(conforms: Callable[[Any, Any], None]) -> None:
    """Hashes as hex; nothing due is null; a heartbeat of zero is the platform's default."""
    uid = AgentUid(bytes(16))
    nothing = compose.agent_settings_view(uid, messages.GetAgentConnectionSettingsReply())
    offered = compose.agent_settings_view(
        uid,
        messages.GetAgentConnectionSettingsReply(
            desired=opamp.ConnectionSettingsOffers(opamp=opamp.OpAMPConnectionSettings(destination_endpoint="ws://o")),
            desired_hash=b"\x01",
            state="applied",
            policies=["edge"],
        ),
    )

    conforms(views.AgentConnectionSettings, nothing)
    conforms(views.AgentConnectionSettings, offered)
    assert (nothing["state"], nothing["desired"]) == ("none", None)
    assert (offered["desired_hash"], offered["policies"]) == ("01", ["edge"])
    assert offered["desired"]["opamp"]["heartbeat_interval_seconds"] is None  # type: ignore[index]  # it is there
