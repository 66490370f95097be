"""`python -m config_service`: serve, migrate or settings."""

from __future__ import annotations

from typing import NoReturn

from config_service.app import SERVICE, build
from config_service.settings import ConfigServiceSettings
from servicekit.runner import main as run


def main() -> NoReturn:
    """Be the command line of config-service."""
    run(SERVICE, ConfigServiceSettings, build, migrations="config_service")


if __name__ == "__main__":
    main()
