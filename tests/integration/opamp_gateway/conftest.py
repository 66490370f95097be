"""Gateways on real NATS and Redis, with agent-state played by the test."""

from __future__ import annotations

from gatewaylab.stage import world

__all__ = ["world"]
