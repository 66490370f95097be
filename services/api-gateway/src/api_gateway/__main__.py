"""`python -m api_gateway`: serve, migrate, settings, create-admin."""

from __future__ import annotations

from typing import NoReturn

from api_gateway.administration import add_arguments, create_admin
from api_gateway.app import SERVICE, build
from api_gateway.settings import ApiGatewaySettings
from servicekit.runner import Command
from servicekit.runner import main as run


def main() -> NoReturn:
    """Be the command line of api-gateway."""
    run(
        SERVICE,
        ApiGatewaySettings,
        build,
        migrations="api_gateway",
        commands={
            "create-admin": Command(
                create_admin, "make the first administrator; its password is generated and printed once", add_arguments
            )
        },
    )


if __name__ == "__main__":
    main()
