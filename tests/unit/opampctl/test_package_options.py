"""How a fleet takes packages: who fails, with which words, and what cannot be asked for."""

from __future__ import annotations

import itertools
import math

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opampctl.simulate.package_options import FAILURES, Failure, PackageOptions, read_platforms


def test_share_that_fails_is_spread_evenly() -> None:
    """One in twenty of a thousand is fifty, and never two neighbours."""
    options = PackageOptions(fail_share=0.05)

    failing = [position for position in range(1000) if options.fails(position)]

    assert len(failing) == 50
    assert min(b - a for a, b in itertools.pairwise(failing)) >= 19


def test_failures_have_words_of_their_own() -> None:
    """Unless others are given."""
    assert {PackageOptions(failure=each).words for each in Failure} == set(FAILURES.values())
    assert PackageOptions(error="no room").words == "no room"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fail_share": 1.5}, "between 0 and 1"),
        ({"install_seconds": math.inf}, "must end some time"),
        ({"public_key": "none"}, "must be PEM"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match=said):
        PackageOptions(**changes)  # type: ignore[arg-type]  # chosen to be wrong


def test_key_must_be_of_the_kind_we_verify() -> None:
    """Ed25519, and nothing else."""
    own = Ed25519PrivateKey.generate().public_key()
    other = generate_private_key(SECP256R1()).public_key()

    def pem(key: object) -> str:
        text: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # both have it
        return text.decode()

    assert PackageOptions(public_key=pem(own)).trusted_key == own
    assert PackageOptions().trusted_key is None
    with pytest.raises(ValueError, match="must be an Ed25519 key"):
        PackageOptions(public_key=pem(other))


def test_platforms_have_weights() -> None:
    """One, unless another is given; what is no platform is refused."""
    assert read_platforms(["linux/amd64=3", "darwin/arm64"]) == (("linux/amd64", 3.0), ("darwin/arm64", 1.0))
    for wrong in ("linux", "linux/", "linux/amd64=0", "linux/amd64=many", "linux/amd64=inf"):
        with pytest.raises(ValueError, match="is no platform"):
            read_platforms([wrong])
