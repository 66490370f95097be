"""Every route, in one registry; importing it declares them all."""

from __future__ import annotations

from api_gateway.registry import Registry
from api_gateway.routes import (
    agents,
    auth,
    campaigns,
    commands,
    configurations,
    connection_settings,
    enrolment_tokens,
    identity,
    package_assignments,
    package_signatures,
    packages,
    system,
    users,
)


def all_routes() -> Registry:
    """Gather the routes of every file here."""
    registry = Registry()
    for part in (
        system,
        auth,
        users,
        agents,
        identity,
        commands,
        configurations,
        connection_settings,
        packages,
        package_assignments,
        campaigns,
        package_signatures,
        enrolment_tokens,
    ):
        registry.routes.extend(part.routes.routes)
    return registry
