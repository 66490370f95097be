"""Answers written by hand are what agents read."""

from __future__ import annotations

from gatewaylab.speech import OTHER, UID, answer

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers


def test_acknowledgement_says_only_whom_it_is_for() -> None:
    """The golden vector of the specification's notes."""
    uid = bytes.fromhex("019a0000000070008000000000000001")

    assert answers.acknowledge(uid).hex() == "0a10019a0000000070008000000000000001"


def test_absurd_uid_is_not_echoed_whole() -> None:
    """A uid of the wrong length is echoed, but not a megabyte of it."""
    assert answer(answers.acknowledge(b"abc")).instance_uid == b"abc"
    assert len(answers.acknowledge(b"x" * 1_000_000)) < 100


def test_bad_request_is_the_golden_bytes() -> None:
    """Error answers carry the uid and the error, nothing else."""
    uid = bytes.fromhex("019a0000000070008000000000000001")

    assert answers.error(uid, answers.BAD_REQUEST, "bad").hex() == (
        "0a10019a0000000070008000000000000001120708011203626164"
    )


def test_unavailable_tells_when_to_come_back() -> None:
    """retry_info is in nanoseconds and only there when given."""
    told = answer(answers.error(UID, answers.UNAVAILABLE, "busy", 30.0)).error_response

    assert told.type == opamp.ServerErrorResponseType_Unavailable
    assert told.retry_info.retry_after_nanoseconds == 30_000_000_000
    assert not answer(answers.error(UID, answers.UNAVAILABLE, "busy")).error_response.HasField("retry_info")


def test_capabilities_are_defined_bits_and_accept_status() -> None:
    """Only the seven defined bits, status and packages among them; certificates while there is an authority."""
    greeting = answers.Greeting()
    told = answer(greeting.part).capabilities
    greeting.certify(certificates=True)
    with_authority = answer(greeting.part).capabilities

    assert told & ~0x7F == 0
    assert told & opamp.ServerCapabilities_AcceptsStatus
    assert told & opamp.ServerCapabilities_OffersPackages
    assert told & opamp.ServerCapabilities_AcceptsPackagesStatus
    assert with_authority == told | opamp.ServerCapabilities_AcceptsConnectionSettingsRequest


def test_greeting_announces_custom_capabilities() -> None:
    """Where there are any."""
    told = answer(answers.Greeting(("com.example.a", "com.example.b/v2")).part)

    assert list(told.custom_capabilities.capabilities) == ["com.example.a", "com.example.b/v2"]
    assert not answer(answers.Greeting().part).HasField("custom_capabilities")


def test_identification_carries_the_new_uid() -> None:
    """The envelope keeps the old uid, the identification has the new one."""
    told = answer(answers.acknowledge(UID) + answers.identify(OTHER))

    assert (told.instance_uid, told.agent_identification.new_instance_uid) == (UID, OTHER)
