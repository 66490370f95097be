"""Fault tests share one platform and one fleet per file (see fixtures/faultlab)."""

from __future__ import annotations

from faultlab.ground import fleet_process, ground, running_platform

__all__ = ["fleet_process", "ground", "running_platform"]
