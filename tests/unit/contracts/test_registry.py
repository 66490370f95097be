"""Names in the connection registry."""

from __future__ import annotations

from contracts import registry

UID = bytes.fromhex("019a0000000070008000000000000001")


def test_tenant_leads_the_key() -> None:
    """Two tenants never share an entry, whatever the uid."""
    assert registry.entry_key("default", UID) == "fleet:v1:agent:default:019a0000000070008000000000000001"
    assert registry.entry_key("a", UID) != registry.entry_key("b", UID)


def test_lease_is_named_for_its_gateway() -> None:
    """One lease per gateway process."""
    assert registry.lease_key("gw-1") == "fleet:v1:gateway:gw-1"


def test_digest_fields_stand_apart() -> None:
    """A digest can never be taken for another field of the entry."""
    fixed = {
        registry.GATEWAY,
        registry.EPOCH,
        registry.TRANSPORT,
        registry.TURN,
        registry.SEQUENCE_NUM,
        registry.CAPABILITIES,
        registry.DESIRED,
        registry.DESIRED_VERSION,
    }

    assert len(fixed) == 8
    assert not any(field.startswith(registry.DIGEST_PREFIX) for field in fixed)
