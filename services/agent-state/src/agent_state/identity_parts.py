"""Puts together what decides who agents are and whether they come in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent_state.access import Access, SettingsDue
from agent_state.admission import Admission
from agent_state.certificates import FileSigner
from agent_state.certification import Certification
from agent_state.credential_offers import CredentialOffers
from agent_state.credential_store import CredentialStore
from agent_state.identity_store import IdentityStore
from agent_state.issuer import Issuer
from agent_state.settings_arrival import SettingsArrival
from agent_state.settings_store import SettingsStore

if TYPE_CHECKING:
    import asyncpg

    from agent_state.announcer import Announcer
    from agent_state.settings import Settings
    from agent_state.settings_composer import SettingsComposer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Registry:
    """What knows agents' credentials; connection settings are composed with its help."""

    identities: IdentityStore
    credentials: CredentialStore
    offers: CredentialOffers
    signer: FileSigner | None


@dataclass(frozen=True, slots=True)
class Identity:
    """What answers who agents are."""

    admission: Admission
    certification: Certification
    access: Access


def registry_of(settings: Settings) -> Registry:
    """
    Make the part that needs nothing but settings.

    Raises:
        ValueError: The CA's key and certificate cannot be used.
    """
    identities, credentials = IdentityStore(), CredentialStore()
    key = settings.credential_key
    signer = _signer(settings)
    if (key is not None or signer is not None) and not settings.opamp_public_url:
        log.warning("credentials_not_offered", reason="AGENT_STATE_OPAMP_PUBLIC_URL is not set")
    offers = CredentialOffers(
        identities,
        credentials,
        None if key is None else Issuer(key.get_secret_value().encode()),
        lifetime=timedelta(days=settings.credential_lifetime_days),
        authority_pem=b"" if signer is None else signer.certificates_pem,
    )
    return Registry(identities, credentials, offers, signer)


def identity_of(
    pool: asyncpg.Pool,
    registry: Registry,
    composer: SettingsComposer,
    announcer: Announcer,
    settings: Settings,
    *,
    settings_due: SettingsDue,
) -> Identity:
    """Make the rest."""
    arrivals = SettingsArrival(composer, SettingsStore())
    stores = (registry.identities, registry.credentials)
    admission = Admission(
        pool,
        *stores,
        registry.offers,
        arrivals.compose,
        is_due=arrivals.is_due,
        cache_seconds=settings.verdict_seconds,
    )
    certification = Certification(
        pool,
        *stores,
        admission,
        registry.signer,
        lifetime=timedelta(days=settings.certificate_lifetime_days),
        told=arrivals.note,
    )
    access = Access(
        pool,
        *stores,
        registry.offers,
        announcer,
        sign_pending=certification.sign_pending,
        settings_due=settings_due,
    )
    return Identity(admission, certification, access)


def _signer(settings: Settings) -> FileSigner | None:
    if settings.ca_key is None or settings.ca_certificate is None:
        return None
    return FileSigner(settings.ca_key.get_secret_value().encode(), settings.ca_certificate.get_secret_value().encode())
