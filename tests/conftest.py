"""The shared world of all tests: servers, services and agents as small plugins (see fixtures/world)."""

from __future__ import annotations

pytest_plugins = [
    "world.folders",
    "world.postgres",
    "world.nats",
    "world.redis",
    "world.s3",
    "world.eventually",
    "world.proxy",
    "world.platform",
]
