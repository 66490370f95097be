"""On which terms an agent connects, and what an offer makes of them."""

from __future__ import annotations

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.options import FleetOptions
from opampctl.simulate.terms import Terms, first_terms, offered_terms

TOKEN = (("Authorization", "Bearer oet_1_s"),)


def test_an_agent_is_installed_with_its_token_or_nothing() -> None:
    """And goes where the fleet goes."""
    assert first_terms(FleetOptions(token="oet_1_s")) == Terms(headers=TOKEN)
    assert first_terms(FleetOptions()) == Terms()
    assert Terms().parsed is None


def test_an_offer_takes_the_place_of_what_it_names() -> None:
    """Endpoint, headers, TLS, certificate, heartbeat."""
    offer = opamp.OpAMPConnectionSettings(
        destination_endpoint="wss://o.example.org/v1/opamp",
        headers=opamp.Headers(headers=[opamp.Header(key="Authorization", value="Bearer oac_1_s")]),
        heartbeat_interval_seconds=15,
        tls=opamp.TLSConnectionSettings(ca_pem_contents="CA", insecure_skip_verify=True),
        certificate=opamp.TLSCertificate(cert=b"CERT", private_key=b"KEY"),
    )

    terms = offered_terms(Terms(headers=TOKEN), offer, "")

    assert terms.headers == (("Authorization", "Bearer oac_1_s"),)
    assert (terms.certificate, terms.private_key, terms.ca, terms.insecure) == ("CERT", "KEY", "CA", True)
    assert terms.heartbeat_seconds == 15
    assert terms.parsed is not None
    assert terms.parsed.secure


def test_what_an_offer_leaves_out_stays_but_for_the_certificate() -> None:
    """Absent headers and TLS: no change; absent certificate: none."""
    current = Terms("ws://a/v1/opamp", TOKEN, "CERT", "KEY", "CA", insecure=True)

    terms = offered_terms(current, opamp.OpAMPConnectionSettings(heartbeat_interval_seconds=30), "")

    assert terms == Terms("ws://a/v1/opamp", TOKEN, ca="CA", insecure=True, heartbeat_seconds=30)


def test_a_certificate_without_a_key_is_for_the_key_that_was_asked_for() -> None:
    """And of no use without one."""
    offer = opamp.OpAMPConnectionSettings(certificate=opamp.TLSCertificate(cert=b"CERT"))

    assert offered_terms(Terms(), offer, "MINE").private_key == "MINE"
    with pytest.raises(ValueError, match="without a private key"):
        offered_terms(Terms(), offer, "")


def test_an_endpoint_no_agent_can_use_is_refused() -> None:
    """Before anything is broken off."""
    with pytest.raises(ValueError, match="not an OpAMP endpoint"):
        offered_terms(Terms(), opamp.OpAMPConnectionSettings(destination_endpoint="ftp://o"), "")


def test_another_heartbeat_needs_no_other_connection() -> None:
    """Anything else does."""
    assert Terms(headers=TOKEN).same_connection(Terms(headers=TOKEN, heartbeat_seconds=5))
    assert not Terms(headers=TOKEN).same_connection(Terms())


def test_terms_survive_being_written_down() -> None:
    """As JSON values."""
    terms = Terms("ws://a/v1/opamp", TOKEN, "CERT", "KEY", "CA", insecure=True, heartbeat_seconds=15)

    assert Terms.from_dict(terms.to_dict()) == terms
