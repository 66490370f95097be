"""Questions to package-service about who vouches for files."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from api_gateway.errors import Unprocessable
from api_gateway.models.package_signatures import NewPackageKey, NewSignature, SignedManifest
from api_gateway.upstream.package_signatures import PackageSignatures
from servicekit.errors import Invalid, Problem


async def test_each_question_names_its_tenant(caller: Any) -> None:
    """And who does it, wherever something is done."""
    bus = caller(0)
    packages = PackageSignatures(bus, 5)
    key = base64.b64encode(b"k" * 32).decode()

    await packages.list_signatures("t", "f1")
    await packages.add_signature("t", "f1", NewSignature(format="cosign", signature="AP8="), "jo")
    await packages.sign("t", "f1", "jo")
    await packages.remove_signature("t", "f1", "s1", "jo")
    await packages.list_keys("t")
    await packages.add_key("t", NewPackageKey(public_key=key, name="n"), "jo")
    await packages.revoke_key("t", "k1", "jo")
    await packages.manifest("t", "stable")
    await packages.draft_manifest("t", "stable")
    await packages.publish_manifest("t", "stable", SignedManifest(), "jo")

    assert {request.tenant_id for request in bus.requests} == {"t"}
    assert {bus.requests[at].author for at in (1, 2, 3, 5, 6, 9)} == {"jo"}
    assert (bus.requests[1].signature, bus.requests[5].public_key) == (b"\x00\xff", b"k" * 32)
    assert bus.requests[9].envelope == b""


async def test_what_is_not_believed_is_unprocessable() -> None:
    """With package-service's code and field."""

    class Refusing:
        async def call(self, *_: Any, **__: Any) -> Any:
            error = Invalid("no", details=[Problem("envelope", "is not believed")])
            error.remote_code = "invalid_package"
            raise error

    with pytest.raises(Unprocessable) as caught:
        await PackageSignatures(Refusing(), 5).publish_manifest("t", "stable", SignedManifest(payload="e30="), "jo")

    assert caught.value.details[0].field == "envelope"
