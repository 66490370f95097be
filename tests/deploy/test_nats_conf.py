"""NATS configurations: the server itself reads them, and acknowledged means on disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployment.rooms import ROOT

from devstack.nats import MAX_PAYLOAD

CONFIGURATIONS = {
    "deploy/nats/nats.conf": "run/secrets/nats_auth",
    "deploy/k8s/base/nats/nats.conf": "run/secrets/nats/auth",
    "deploy/k8s/overlays/prod/nats.conf": "run/secrets/nats/auth",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_server_accepts_the_configuration(name: str, tmp_path: Path) -> None:
    """nats-server -t reads the file where a container would have it, with its secret where it would be."""
    server = Path(sys.executable).parent / "nats-server"
    conf = tmp_path / "etc" / "nats" / "nats.conf"
    auth = tmp_path / CONFIGURATIONS[name]
    conf.parent.mkdir(parents=True)
    auth.parent.mkdir(parents=True)
    shutil.copy(ROOT / name, conf)
    auth.write_text('user: "fleet"\npassword: "made-up"\n')

    result = subprocess.run(
        [server, "-t", "-c", conf], env={"POD_NAME": "nats-0"}, capture_output=True, text=True, timeout=20, check=False
    )

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_acknowledged_means_on_disk(name: str) -> None:
    """Without sync_interval: always a power cut loses what was acknowledged up to two minutes before."""
    assert "sync_interval: always" in (ROOT / name).read_text()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_largest_message_is_the_same_everywhere(name: str) -> None:
    """A fact that passes on a laptop must pass in production: MB is 1024 · 1024 to NATS."""
    assert f"max_payload: {MAX_PAYLOAD >> 20}MB\n" in (ROOT / name).read_text()
