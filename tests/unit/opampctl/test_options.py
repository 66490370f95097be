"""What a fleet may be asked to be."""

from __future__ import annotations

import math

import pytest

from opampctl.simulate.options import Endpoint, FleetOptions, Transport


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://h:4320/v1/opamp", Endpoint("h", 4320, "/v1/opamp", secure=False)),
        ("wss://h", Endpoint("h", 443, "/v1/opamp", secure=True)),
        ("http://h:1/", Endpoint("h", 1, "/v1/opamp", secure=False)),
        ("https://[::1]:9/x?a=1", Endpoint("::1", 9, "/x?a=1", secure=True)),
    ],
)
def test_endpoints_are_read(url: str, expected: Endpoint) -> None:
    """Scheme, port and path have the defaults of OpAMP and of URLs."""
    assert Endpoint.parse(url) == expected


def test_both_transports_share_the_address() -> None:
    """Polls go to the same host, port and path as upgrades."""
    assert Endpoint.parse("wss://[::1]:9/x").http_url == "https://[::1]:9/x"
    assert Endpoint.parse("ws://h:4320").http_url == "http://h:4320/v1/opamp"


@pytest.mark.parametrize("url", ["", "h:4320", "ftp://h", "ws://", "ws://h:port"])
def test_other_endpoints_are_refused(url: str) -> None:
    """What is no endpoint is refused before anything starts."""
    with pytest.raises(ValueError, match=r"endpoint|Port"):
        FleetOptions(endpoint=url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"agents": 0},
        {"environments": ()},
        {"heartbeat_seconds": 0},
        {"connect_rate": 0},
        {"max_connecting": 0},
        {"reject": -1},
        {"fail_rate": 1.5},
        {"http_share": -0.1},
        {"apply_delay_seconds": math.inf},
    ],
)
def test_impossible_fleets_are_refused(wrong: dict[str, object]) -> None:
    """Each option has its bounds."""
    with pytest.raises(ValueError, match=r"must|cannot|least"):
        FleetOptions(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_all_faults_are_told_at_once() -> None:
    """Nobody has to find them one by one."""
    with pytest.raises(ValueError, match=r"at least one agent; .*fail rate"):
        FleetOptions(agents=0, fail_rate=2)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.2, 20), (0.5, 50), (1.0, 100)])
def test_http_share_is_exact(share: float, expected: int) -> None:
    """Exactly the share of agents polls."""
    options = FleetOptions(agents=100, transport=Transport.MIXED, http_share=share)
    assert sum(options.uses_http(position) for position in range(100)) == expected


def test_one_transport_is_for_all() -> None:
    """The share matters in mixed fleets only."""
    assert not FleetOptions(http_share=1.0).uses_http(0)
    assert FleetOptions(transport=Transport.HTTP, http_share=0.0).uses_http(0)


def test_token_is_not_shown() -> None:
    """Options printed by accident hide the token."""
    assert "secret" not in repr(FleetOptions(token="oet_1_secret"))
