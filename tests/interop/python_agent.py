"""
An agent made of the OpenTelemetry Python client: takes a JSON configuration, reports it, prints JSON lines.

Run by tests/interop with an interpreter that has the client and what it needs; it imports nothing of ours.
"""

import json
import signal
import sys
import threading
from typing import Any

from opentelemetry._opamp.agent import OpAMPAgent  # type: ignore[import-not-found]
from opentelemetry._opamp.callbacks import OpAMPCallbacks  # type: ignore[import-not-found]
from opentelemetry._opamp.client import OpAMPClient  # type: ignore[import-not-found]
from opentelemetry._opamp.proto import opamp_pb2  # type: ignore[import-not-found]


def say(event: str, **fields: Any) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Callbacks(OpAMPCallbacks):  # type: ignore[misc]
    """Applies whatever comes."""

    def on_connect(self, agent: Any, client: Any) -> None:
        """Tell who we are."""
        del agent
        say("connected", uid=client._instance_uid.hex())

    def on_connect_failed(self, agent: Any, client: Any, error: Exception) -> None:
        """Tell what went wrong."""
        del agent, client
        say("send_failed", error=repr(error))

    def on_error(self, agent: Any, client: Any, error_response: Any) -> None:
        """Tell what the server complained about."""
        del agent, client
        say("server_error", error=error_response.error_message)

    def on_message(self, agent: Any, client: Any, message: Any) -> None:
        """Apply a configuration and report it, with the effective one."""
        offered = message.remote_config
        if offered is None:
            return
        files = {name: entry.body.decode() for name, entry in offered.config.config_map.items()}
        say("config", hash=offered.config_hash.hex(), files=files)
        decoded = dict(client.decode_remote_config(offered))
        client.update_effective_config(decoded, content_type="application/json")
        status = client.update_remote_config_status(
            offered.config_hash, opamp_pb2.RemoteConfigStatuses.RemoteConfigStatuses_APPLIED
        )
        if status is not None:
            agent.send(client.build_full_state_message())


def main(endpoint: str, token: str, name: str, label: str) -> None:
    """Run until SIGTERM."""
    key, _, value = label.partition("=")
    client = OpAMPClient(
        endpoint=endpoint,
        headers={"Authorization": f"Bearer {token}"},
        timeout_millis=5_000,
        agent_identifying_attributes={"service.name": name, "service.version": "1.2.3"},
        agent_non_identifying_attributes={key: value, "os.type": "linux"},
    )
    agent = OpAMPAgent(interval=1, callbacks=Callbacks(), client=client)
    agent.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    agent.stop(timeout=5)


if __name__ == "__main__":
    main(*sys.argv[1:5])
