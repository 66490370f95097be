"""Moves an OpAMP Platform by its REST API."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from opampctl.client import ApiError, Client, quoted
from opampctl.conformance.stimulus import Refused
from opampctl.conformance.verdict import NotApplicable
from opampctl.exits import CommandError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_NOT_FOUND = 404
_REFUSALS = frozenset({400, 403, 409, 412, 422, 504})
_PROGRAM = b"\x7fELF"
UID_LABEL = "service.instance.id"
"""Every agent of the suite describes itself with its uid under this name."""


class RestStimulus:
    """
    Acts as a user of the API.

    Args:
        client: Connected and allowed to write; closed by whoever made it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = secrets.token_hex(3)
        self._configurations: dict[str, str] = {}
        self._made: set[str] = set()
        self._published: dict[tuple[str, str], str] = {}
        self._publishing = asyncio.Lock()
        self._offered: dict[str, dict[str, str]] = {}
        self._deeds: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "show_agent": self._show_agent,
            "offer_config": self._offer_config,
            "restart_agent": self._restart_agent,
            "request_components": self._request_components,
            "offer_connection_settings": self._offer_connection_settings,
            "offer_packages": self._offer_packages,
            "send_custom_message": self._send_custom_message,
            "make_credential": self._make_credential,
            "rotate_credential": self._rotate_credential,
            "revoke_agent": self._revoke_agent,
            "forget_agent": self._forget_agent,
        }

    async def do(self, action: str, **what: Any) -> dict[str, Any]:
        """
        Do one action.

        Raises:
            NotApplicable: The API has no such thing, or refuses it.
        """
        deed = self._deeds.get(action)
        if deed is None:
            raise NotApplicable(f"the API cannot {action.replace('_', ' ')}")
        try:
            return await deed(**what)
        except CommandError as error:
            said = f"the API would not {action.replace('_', ' ')}: {error.sentence}"
            if isinstance(error, ApiError) and error.status in _REFUSALS:
                raise Refused(said) from error
            raise NotApplicable(said) from error

    async def close(self) -> None:
        """Delete the configurations, settings, offers, packages and credentials it made."""
        await asyncio.gather(*(self._delete(path) for path in sorted(self._made)))
        await asyncio.gather(*(self._delete(path) for path in sorted(self._published.values())))  # free by now

    async def _show_agent(self, instance_uid: str) -> dict[str, Any]:
        try:
            shown = (await self._client.get(f"/agents/{instance_uid}", "Cannot show the agent")).body
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return {"known": False, "connected": False}
            raise
        files = (shown.get("effective_config") or {}).get("config_map") or {}
        return {
            "known": True,
            "connected": shown["link"] == "connected",
            "name": shown["name"],
            "capabilities": shown["capabilities"],
            "custom_capabilities": shown["custom_capabilities"],
            "identifying_attributes": shown["identifying_attributes"],
            "non_identifying_attributes": shown["non_identifying_attributes"],
            "health": shown["health"],
            "last_error": shown["health_error"],
            "healthy": {"healthy": True, "unhealthy": False}.get(shown["health_state"]),
            "effective_config": {name: _file(file) for name, file in files.items()},
            "components": shown["components"],
            "package_statuses": {each["name"]: each for each in shown["package_statuses"]},
            "status": shown["status"],
            "last_seen_at": shown["last_seen_at"],
        }

    async def _offer_config(self, instance_uid: str, body: str, content_type: str) -> dict[str, Any]:
        name = self._configurations.get(instance_uid)
        what = "Cannot set the configuration"
        if name is None:
            name = f"conformance-{self._run}-{instance_uid}"
            draft = {
                "name": name,
                "content_type": content_type,
                "raw_config": body,
                "selector": {UID_LABEL: instance_uid},
            }
            await self._client.call("POST", "/configurations", what, body=draft)
            self._configurations[instance_uid] = name
            self._made.add(f"/configurations/{quoted(name)}")
        else:
            await self._client.call("PATCH", f"/configurations/{quoted(name)}", what, body={"raw_config": body})
        return {}

    async def _forget_agent(self, instance_uid: str) -> dict[str, Any]:
        try:
            await self._client.call("DELETE", f"/agents/{instance_uid}", "Cannot forget the agent")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        return {}

    async def _restart_agent(self, instance_uid: str) -> dict[str, Any]:
        return await self._post(f"/agents/{instance_uid}/restart", "Cannot restart the agent")

    async def _request_components(self, instance_uid: str) -> dict[str, Any]:
        return await self._post(f"/agents/{instance_uid}/components/refresh", "Cannot ask for components")

    async def _offer_connection_settings(self, instance_uid: str, settings: dict[str, Any]) -> dict[str, Any]:
        path = f"/connection-settings/conformance-{self._run}-{instance_uid}"
        policy = {"selector": {UID_LABEL: instance_uid}, "priority": 1, "settings": settings}
        await self._client.call("PUT", path, "Cannot set connection settings", body=policy)
        self._made.add(path)
        return {}

    async def _offer_packages(self, instance_uid: str, packages: list[dict[str, Any]]) -> dict[str, Any]:
        """Publish them, offer each to this agent alone, and take back what is not among them."""
        offered = self._offered.setdefault(instance_uid, {})
        for package in packages:
            async with self._publishing:  # checks run side by side, and transfers are bounded
                await self._publish(package)
        for package in packages:
            name, what = package["name"], "Cannot offer a package"
            path = offered.get(name)
            if path is not None:
                await self._client.call("PATCH", path, what, body={"version": package["version"]})
                continue
            draft = {
                "name": f"conformance-{self._run}-{secrets.token_hex(8)}",
                "package": name,
                "version": package["version"],
                "agents": [instance_uid],
            }
            made = await self._post("/package-assignments", what, draft)
            offered[name] = f"/package-assignments/{quoted(made['id'])}"
            self._made.add(offered[name])
        for name in set(offered) - {package["name"] for package in packages}:
            path = offered.pop(name)
            await self._client.call("DELETE", path, "Cannot take an offer back")
            self._made.discard(path)
        return {}

    async def _publish(self, package: dict[str, Any]) -> None:
        """Publish a file unless this run has; for linux, so that it must begin like a program."""
        known = (package["name"], package["version"])
        if known in self._published:
            return
        content = _PROGRAM + base64.b64decode(package["content"])
        draft = {
            "name": package["name"],
            "version": package["version"],
            "type": package["type"],
            "platform": "linux",
            "arch": "amd64",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        begun = await self._post("/packages/uploads", "Cannot publish a package", draft)
        made = begun["package"]
        if made is None:
            path = f"/packages/uploads/{quoted(begun['upload']['id'])}"
            await self._client.send_bytes("PUT", path, "Cannot publish a package", _one(content), params={"offset": 0})
            made = await self._post(f"{path}/complete", "Cannot publish a package")
        self._published[known] = f"/packages/{quoted(made['id'])}"

    async def _send_custom_message(self, instance_uid: str, **message: Any) -> dict[str, Any]:
        return await self._post(f"/agents/{instance_uid}/custom-messages", "Cannot send a custom message", message)

    async def _make_credential(self, *, own: bool = False) -> dict[str, Any]:
        draft = {"name": f"conformance-{self._run}", "issues": "bearer" if own else "none"}
        made = await self._post("/enrolment-tokens", "Cannot make an enrolment token", draft)
        self._made.add(f"/enrolment-tokens/{made['id']}")
        return {"id": made["id"], "headers": {"Authorization": f"Bearer {made['secret']}"}}

    async def _rotate_credential(self, instance_uid: str) -> dict[str, Any]:
        return await self._post(f"/agents/{instance_uid}/credentials/rotate", "Cannot rotate the credential")

    async def _revoke_agent(self, instance_uid: str) -> dict[str, Any]:
        return await self._post(f"/agents/{instance_uid}/revoke", "Cannot revoke the agent", {"comment": "conformance"})

    async def _post(self, path: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = (await self._client.call("POST", path, what, body=body)).body
        return answer if isinstance(answer, dict) else {}

    async def _delete(self, path: str) -> None:
        try:
            await self._client.call("DELETE", path, "Cannot delete what the run made")
        except CommandError:
            return  # the run is over, and its verdict does not hang on this


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _file(file: dict[str, Any]) -> str:
    """Write a file's body as base64."""
    body = str(file.get("body", ""))
    return body if file.get("encoding") == "base64" else base64.b64encode(body.encode()).decode()
