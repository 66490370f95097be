"""
The shared world of all tests: servers, services and agents as small plugins (see fixtures/world).

Property tests try the same examples in every run and are given all the time they need, so that a run depends neither
on luck nor on how busy the machine is. To look for new examples: `pytest tests/property --hypothesis-profile=explore`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

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

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("explore"), derandomize=True)
settings.load_profile("steady")
