"""
The port through which a server is moved to act: by the platform's API, or by any program.

An action is a name and a JSON object. What cannot be done makes the row not applicable, never failed.
"""

from __future__ import annotations

from typing import Any, Protocol

from opampctl.conformance.verdict import NotApplicable

ACTIONS = {
    "show_agent": "Tell what the server knows of instance_uid; answer {known, connected, ...}.",
    "offer_config": "Make body (text, content_type yaml) the configuration of instance_uid.",
    "restart_agent": "Send the Restart command to instance_uid.",
    "offer_connection_settings": "Offer settings (opamp, own_metrics, own_traces, own_logs, other_connections).",
    "offer_packages": "Offer packages [{name, version, type, content as base64}] to instance_uid.",
    "send_custom_message": "Send capability, type, data (base64) to instance_uid.",
    "show_custom_messages": "Tell the custom messages received of instance_uid; answer {messages: [...]}.",
    "rename_agent": "Give instance_uid another uid.",
    "make_credential": "Make a credential; answer {id, headers: {name: value}}.",
    "revoke_credential": "Revoke the credential with this id.",
    "forget_agent": "Remove instance_uid; the check is over.",
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
