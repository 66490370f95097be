"""Files are signed and offered with their signatures; without one a key that counts has made, to nobody."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from depot import SECONDS, Depot, program

from contracts.package_signing import key_id_of
from opampctl.simulate import Fleet, FleetOptions, PackageOptions
from world.eventually import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from world.platform import Platform

pytestmark = pytest.mark.timeout(300)

PLATFORM = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
PEM = PLATFORM.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PLATFORM_ID = key_id_of(PLATFORM.public_key().public_bytes_raw())


def public_pem(key: Ed25519PrivateKey) -> str:
    """Write a key's public half as agents are given it."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


@pytest.fixture
async def running(platform: Platform) -> Platform:
    """Give a platform that signs on request, and offers nothing without a signature."""
    await platform.start(
        settings={
            "PACKAGE_SERVICE_SIGNING_KEY": PEM,
            "PACKAGE_SERVICE_SIGN_PUBLISHED": "false",
            "PACKAGE_SERVICE_REQUIRE_SIGNATURE": "true",
            "PACKAGE_SERVICE_VET_INTERVAL_SECONDS": "1",
        }
    )
    return platform


@pytest.fixture
def depot(running: Platform) -> Depot:
    """Give what a person does with packages."""
    return Depot(running)


def options_of(platform: Platform, place: str, public_key: str) -> FleetOptions:
    """Make the options of an agent that takes only what a key has signed."""
    return FleetOptions(
        endpoint=platform.run_json["opamp_url"],
        token=platform.token,
        heartbeat_seconds=1.0,
        labels={"place": place},
        platforms=(("linux/amd64", 1.0),),
        packages=PackageOptions(install_seconds=0.01, public_key=public_key),
    )


async def opampctl(platform: Platform, folder: Path, *words: str) -> tuple[int, str, str]:
    """Run the command line as the first admin; returns exit code, stdout and stderr."""
    await platform.api.login()
    environment = {
        **os.environ,
        "OPAMPCTL_URL": platform.run_json["api_url"],
        "OPAMPCTL_TOKEN": platform.api.client.headers["Authorization"].removeprefix("Bearer "),
        "OPAMPCTL_CONFIG": str(folder / "home" / "config.json"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opampctl", *words),
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def done(platform: Platform, folder: Path, *words: str) -> str:
    """Run the command line and be content only with success; returns stdout."""
    code, out, err = await opampctl(platform, folder, *words)
    assert code == 0, err
    return out


async def signatures_of(platform: Platform, package: dict[str, Any]) -> dict[str, Any]:
    """Ask who has signed a file."""
    found: dict[str, Any] = await platform.api.get(f"/packages/{package['id']}/signatures")
    return found


async def test_file_waits_for_a_signature_that_counts(
    running: Platform, depot: Depot, place: str, tmp_path: Path
) -> None:
    """Signed where the key is, verified by the agent with the same key; once it is revoked, believed no more."""
    await done(running, tmp_path, "packages", "keys", "generate", "release.pem")
    await done(running, tmp_path, "packages", "keys", "add", "release.pem.pub", "--name", "release")
    (package,) = await depot.publish(place, "1.0.0")
    (tmp_path / "file").write_bytes(program("1.0.0", text=f"{place} "))
    assignment = await depot.assign(place, place, selector={"place": place})
    async with Fleet(options_of(running, place, (tmp_path / "release.pem.pub").read_text())) as fleet:
        (agent,) = fleet.agents

        async def refused() -> bool:
            return bool((await signatures_of(running, package))["refusal"] == "unsigned")

        await wait_until(refused, within=SECONDS)
        await depot.until(agent.uid_text, place, state="pending")

        sign = ("packages", "sign", "file", "--key", "release.pem", "--package", package["id"])
        await done(running, tmp_path, *sign)
        await depot.until(agent.uid_text, place, state="installed", reported_version="1.0.0")
        verify = ("packages", "verify", "file", "--public-key", "release.pem.pub", "--package", package["id"])
        await done(running, tmp_path, *verify)

        (signature,) = (await signatures_of(running, package))["signatures"]
        assert (signature["trusted"], signature["chosen"]) == (True, True)
        await done(running, tmp_path, "packages", "keys", "revoke", signature["key_id"], "--yes")

        async def unvetted() -> bool:
            said = await signatures_of(running, package)
            return bool(said["vetted_at"] is None and not said["signatures"][0]["trusted"])

        await wait_until(unvetted, within=SECONDS)
        code, _, err = await opampctl(running, tmp_path, *sign)
        assert (code, "any key that counts" in err) == (1, True)
    await running.api.delete(f"/package-assignments/{assignment['id']}")


async def test_platform_signs_and_its_manifest_is_believed(
    running: Platform, depot: Depot, place: str, tmp_path: Path
) -> None:
    """Its key is taken from elsewhere; the manifest names the file, and a stranger's key believes nothing."""
    (package,) = await depot.publish(place, "1.0.0")
    (tmp_path / "file").write_bytes(program("1.0.0", text=f"{place} "))
    (tmp_path / "platform.pub").write_text(public_pem(PLATFORM))
    await done(running, tmp_path, "packages", "keys", "generate", "stranger.pem")

    await done(running, tmp_path, "packages", "sign", "--package", package["id"])
    (signature,) = (await signatures_of(running, package))["signatures"]
    assert (signature["key_id"], signature["trusted"]) == (PLATFORM_ID, True)

    await done(running, tmp_path, "packages", "manifest", "publish", "stable")
    verify = ("packages", "manifest", "verify", "stable", "file", "--package", f"{place}@1.0.0", "--public-key")
    await done(running, tmp_path, *verify, "platform.pub")
    code, _, err = await opampctl(running, tmp_path, *verify, "stranger.pem.pub")
    assert (code, "reason: unsigned" in err) == (1, True)
    shown = await done(running, tmp_path, "packages", "manifest", "show", "stable")
    assert package["checksum"] in shown


async def test_agent_that_trusts_another_key_refuses(running: Platform, depot: Depot, place: str) -> None:
    """Whatever the platform believes; the agent beside it, which trusts the platform's key, installs the file."""
    (package,) = await depot.publish(place, "1.0.0")
    await running.api.post(f"/packages/{package['id']}/sign")
    assignment = await depot.assign(place, place, selector={"place": place})

    async with (
        Fleet(options_of(running, place, public_pem(PLATFORM))) as trusting,
        Fleet(options_of(running, place, public_pem(Ed25519PrivateKey.generate()))) as wary,
    ):
        await depot.until(trusting.agents[0].uid_text, place, state="installed", version="1.0.0")
        refused = await depot.until(wary.agents[0].uid_text, place, state="failed")

    assert "not by the key we trust" in refused["error_message"]
    await running.api.delete(f"/package-assignments/{assignment['id']}")
