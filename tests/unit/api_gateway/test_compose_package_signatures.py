"""Signatures, keys and manifests as the API shows them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import package_signatures as compose
from api_gateway.models import package_signatures as views
from contracts import package_signing as terms
from fleet.api.v1 import package_signatures_pb2 as messages

Conforms = Callable[[Any, Any], None]
ENVELOPE = terms.envelope_of(b"{}", [("k", b"sig")])


def test_signature_is_shown_as_it_came(conforms: Conforms) -> None:
    """In base64; when it may be offered, and why not."""
    signature = messages.PackageSignature(id="s1", file_id="f1", format="cosign", signature=b"\x00\xff", chosen=True)
    reply = messages.ListPackageSignaturesReply(
        signatures=[signature], vetted_at=Timestamp(seconds=1), refusal="unsigned"
    )

    view = compose.signatures_view(reply)

    conforms(views.PackageSignatures, view)
    (shown,) = view["signatures"]
    assert (base64.b64decode(shown["signature"]), shown["package_id"], shown["chosen"]) == (b"\x00\xff", "f1", True)
    assert view["refusal"] == "unsigned"
    assert compose.signatures_view(messages.ListPackageSignaturesReply())["vetted_at"] is None


def test_keys_are_shown_with_their_end(conforms: Conforms) -> None:
    """null: it counts."""
    good = messages.PackageKey(id="k1", public_key=bytes(32), origin="platform", created_at=Timestamp(seconds=1))
    gone = messages.PackageKey(id="k2", public_key=bytes(32), revoked_by="ann", revoked_at=Timestamp(seconds=2))

    view = compose.keys_view(messages.ListPackageKeysReply(keys=[good, gone], signature_required=True))

    conforms(views.PackageKeys, view)
    assert [key["revoked_at"] is None for key in view["keys"]] == [True, False]
    assert view["signature_required"]


def test_envelope_goes_out_and_comes_back(conforms: Conforms) -> None:
    """What was signed is the same bytes; fields others put in are left out; nothing sent is nothing."""
    strange = orjson.dumps({**orjson.loads(ENVELOPE), "comment": "x"})

    view = compose.envelope_view(messages.PackageManifest(envelope=strange))

    conforms(views.Envelope, view)
    document = views.SignedManifest.model_validate(view)
    assert terms.payload_in(compose.envelope_bytes(document)) == b"{}"
    assert compose.envelope_bytes(views.SignedManifest()) == b""


def test_draft_is_ready_to_be_signed(conforms: Conforms) -> None:
    """With its type, which is signed, too."""
    view = compose.draft_view(b"{}")

    conforms(views.ManifestDraft, view)
    assert view == {"payloadType": terms.PAYLOAD_TYPE, "payload": "e30="}
