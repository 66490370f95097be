"""Where agents fetch files: what every download URL begins with. Pure."""

from __future__ import annotations

from ipaddress import ip_address


def public_url_of(setting: str, host: str, port: int) -> str:
    """
    Tell the address; empty = there is none, and nothing can be offered.

    Args:
        setting: PUBLIC_URL; empty = none is set. Then the listener's own address will do if it is this machine's
            alone: whoever tries the platform out has agents here.

        host: The listener's.

        port: The port it really has.
    """
    if setting:
        return setting
    if not _is_loopback(host):
        return ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
