"""All routes together."""

from __future__ import annotations

from api_gateway.routes import all_routes


def test_the_registry_is_complete_and_starts() -> None:
    """Every file's routes are in it, each with its permission."""
    registry = all_routes()
    registry.check()

    tags = {route.tag for route in registry.routes}

    assert tags == {
        "system",
        "accounts",
        "users",
        "agents",
        "agent identity",
        "agent commands",
        "configurations",
        "connection settings",
        "packages",
        "campaigns",
        "enrolment tokens",
    }


def test_gathering_twice_gives_two_registries() -> None:
    """Nobody adds a route to somebody else's."""
    first = all_routes()
    first.routes.clear()

    assert all_routes().routes
