"""The port to offers; both that stand behind it are tested together in integration/package_service."""

from __future__ import annotations

from package_service.campaigns.assignments import AssignmentOffers
from package_service.campaigns.offers import Assigned, Offers


def test_what_is_behind_it_fits() -> None:
    """A port somebody cannot stand behind is none; mypy reads this line."""
    port: Offers = AssignmentOffers()

    assert {name for name in vars(Offers) if not name.startswith("_")} <= set(dir(port))
    assert Assigned("collector", "1.0.0").version == "1.0.0"
