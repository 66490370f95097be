"""
The port through which a server is moved to act: by the platform's API, or by any program.

An action is a name and a JSON object. What cannot be done makes the row not applicable, never failed.
"""

from __future__ import annotations

from typing import Any, Protocol

from opampctl.conformance.verdict import NotApplicable

ACTIONS = {
    "show_agent": "Tell what is known of instance_uid: {known, connected, name, health, effective_config, ...}.",
    "offer_config": "Make body (text, content_type yaml) the configuration of instance_uid.",
    "restart_agent": "Send the Restart command to instance_uid.",
    "request_components": "Ask instance_uid for its available components.",
    "offer_connection_settings": "Make settings {opamp, own_metrics, ..., other_connections} those of instance_uid.",
    "offer_packages": "Make packages [{name, version, type, content as base64}] all of instance_uid, linux/amd64.",
    "send_custom_message": "Send capability, type, data (base64) to instance_uid; await_reply: answer {reply: {data}}.",
    "make_credential": "Make a shared credential; with own: true agents get one of their own. Answer {id, headers}.",
    "rotate_credential": "Offer instance_uid a new credential of its own.",
    "revoke_agent": "Take instance_uid every right to connect.",
    "forget_agent": "Remove instance_uid.",
}
"""Every action there is, for whoever writes a program for --stimulus-command."""


class Refused(NotApplicable):
    """The server, asked to act, refused this very act; where it must not act that is right."""


NEEDED = "needs --api-url or --stimulus-command"


class Stimulus(Protocol):
    """Moves the server."""

    async def do(self, action: str, **what: Any) -> dict[str, Any]:
        """
        Do one action; returns its answer.

        Raises:
            Refused: The server would not do it.

            NotApplicable: It cannot be done here.
        """
        ...

    async def close(self) -> None:
        """Undo what was done, as far as that is possible."""
        ...


class NoStimulus:
    """Nobody moves the server."""

    async def do(self, action: str, **what: Any) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise NotApplicable(NEEDED)

    async def close(self) -> None:
        """Nothing was done."""
