"""`python -m package_service`: serve, migrate or settings."""

from __future__ import annotations

from typing import NoReturn

from package_service.app import SERVICE, build
from package_service.settings import PackageServiceSettings
from servicekit.runner import main as run


def main() -> NoReturn:
    """Be the command line of package-service."""
    run(SERVICE, PackageServiceSettings, build, migrations="package_service")


if __name__ == "__main__":
    main()
