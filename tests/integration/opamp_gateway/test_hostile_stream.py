"""A short siege of the gateway; tests/fuzz has the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewaylab.siege import siege

if TYPE_CHECKING:
    from pathlib import Path

    from gatewaylab.stage import World


async def test_gateway_stands_a_short_siege(world: World, tmp_path: Path) -> None:
    """Three thousand hostile frames and requests: no crash, no traceback, good agents undisturbed."""
    await siege(world, tmp_path, 3_000, seed=1)
