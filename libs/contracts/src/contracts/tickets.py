"""What api-gateway and package-service agree on about tickets: see package_service.tickets."""

from __future__ import annotations

ALGORITHM = "EdDSA"
ISSUER = "opamp-platform"
AUDIENCE = "package-service"
LIFETIME_SECONDS = 60
"""A ticket is shown at once; the transfer it opens may take longer."""

LEEWAY_SECONDS = 30
MAX_LENGTH = 4096
