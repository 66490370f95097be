"""What has changed since a decision was made, and about whom."""

from __future__ import annotations

from opamp_gateway.changes import Changes


def test_change_is_about_those_it_names() -> None:
    """In their tenant, and only for decisions from before it."""
    changes = Changes()
    changes.note("default", ["t-1", b"a"])
    before = changes.count
    changes.note("default", [b"b"])

    assert changes.since(0, "default", b"a")
    assert changes.since(before, "default", b"x", b"b")
    assert not changes.since(before, "default", b"a", "t-1")
    assert not changes.since(before, "acme", b"b")
    assert not changes.since(changes.count, "default", b"b")


def test_change_that_names_nobody_is_about_everybody() -> None:
    """A tenant's rules, or an unknown part of what was said."""
    for tenant_id in ("default", ""):
        changes = Changes()
        if tenant_id:
            changes.note(tenant_id, ())
        else:
            changes.note_all()
        assert changes.since(0, "default", b"a")
        assert not changes.since(changes.count, "default", b"a")


def test_forgotten_change_counts_as_one_about_everybody() -> None:
    """Memory is bounded; asking once too often is cheap."""
    changes = Changes(remembered=2)
    for name in (b"a", b"b", b"c"):
        changes.note("default", [name])

    assert changes.since(0, "default", b"x")
    assert not changes.since(1, "default", b"x")
    assert changes.since(1, "default", b"b")
