"""The stage for long sieges."""

from __future__ import annotations

from gatewaylab.stage import world

__all__ = ["world"]
