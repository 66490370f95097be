from __future__ import annotations

import pytest

from servicekit import provision


@pytest.mark.parametrize(("service", "password"), [("Robert'); DROP", "x"), ("", "x"), ("9lives", "x"), ("agent", "")])
async def test_odd_names_and_empty_passwords_are_refused(service: str, password: str) -> None:
    """A name that is no plain identifier, or no password, is refused before anything is asked of a server."""
    with pytest.raises(ValueError, match="plain lower-case name"):
        await provision.provision("postgresql://nowhere.invalid/", service, password)


def test_the_password_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a password in the environment the command says which variable to set."""
    monkeypatch.delenv(provision.PASSWORD_VARIABLE, raising=False)
    monkeypatch.setattr("sys.argv", ["provision", "--admin-url", "x", "--service", "agent-state"])
    with pytest.raises(SystemExit, match="PROVISION_PASSWORD"):
        provision.main()
