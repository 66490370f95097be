"""What package-service can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from package_service.platform_key import platform_key_of
from servicekit.settings import ServiceSettings

MIB = 1024 * 1024
GIB = 1024 * MIB


class PackageServiceSettings(ServiceSettings):
    """Environment variables PACKAGE_SERVICE_*."""

    model_config = SettingsConfigDict(env_prefix="PACKAGE_SERVICE_")

    postgres_url: Annotated[
        SecretStr,
        Field(description="PostgreSQL, as the role package_service: postgresql://user:password@host:port/database."),
    ]
    pool_size: Annotated[int, Field(ge=8, le=100, description="Database connections at most.")] = 16
    stream_replicas: Annotated[
        int, Field(ge=1, le=5, description="Copies JetStream keeps of each stream; 3 in a NATS cluster.")
    ] = 1

    host: Annotated[str, Field(description="Address the listener for files is on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Its port; 0 takes a free one.")] = 8090
    downloads: Annotated[
        Literal["proxy", "presigned"],
        Field(
            description="proxy: files pass through here and are verified on the way. presigned: whoever may have a "
            "file is sent to the object store with an address that works for PRESIGNED_SECONDS; give the store a host "
            "name of its own, because an agent that would take its credential there as well gets the file from here."
        ),
    ] = "proxy"
    presigned_seconds: Annotated[
        int, Field(ge=30, le=600, description="How long an address of the object store works.")
    ] = 300

    s3_endpoint: Annotated[
        str, Field(description="Address of the object store, http://host:port; empty = Amazon S3 itself.")
    ] = ""
    s3_public_endpoint: Annotated[
        str, Field(description="How agents reach the object store, for presigned downloads; empty = S3_ENDPOINT.")
    ] = ""
    s3_region: Annotated[str, Field(description="Region named in signatures.")] = "us-east-1"
    s3_bucket: Annotated[
        str, Field(min_length=3, max_length=63, description="Bucket for the files; made if it is missing.")
    ] = "agent-packages"
    s3_access_key: Annotated[
        SecretStr, Field(description="Login at the object store; empty = as the environment of the process says.")
    ] = SecretStr("")
    s3_secret_key: Annotated[SecretStr, Field(description="Secret of that login.")] = SecretStr("")

    part_bytes: Annotated[
        int,
        Field(
            ge=5 * MIB,
            le=64 * MIB,
            description="Size of the parts a file is stored in; each upload that runs holds one in memory.",
        ),
    ] = 6 * MIB
    max_file_bytes: Annotated[
        int, Field(ge=1, le=5 * GIB, description="Longest file; longer ones are refused with 413.")
    ] = 2 * GIB
    tenant_quota_bytes: Annotated[
        int,
        Field(ge=1, description="Bytes a tenant may store, open uploads included; more is refused with 409."),
    ] = 100 * GIB
    max_open_uploads: Annotated[
        int, Field(ge=1, description="Uploads a tenant may have begun and not ended; more are refused with 409.")
    ] = 50
    max_files_per_package: Annotated[
        int, Field(ge=1, le=10_000, description="Files of one name, all versions; more are refused with 409.")
    ] = 2000
    max_uploads_at_once: Annotated[
        int, Field(ge=1, description="Uploads one process carries at once; more get 429 and try again.")
    ] = 8
    max_downloads_at_once: Annotated[
        int, Field(ge=1, description="Downloads one process carries at once; more get 429 and try again.")
    ] = 200
    idle_seconds: Annotated[
        float, Field(gt=0, description="A transfer that moves no byte for so long is broken off.")
    ] = 30.0
    upload_retention_seconds: Annotated[
        float, Field(ge=1, description="An upload nobody goes on with for so long is given up.")
    ] = 24 * 3600.0
    blob_retention_seconds: Annotated[
        float, Field(ge=0, description="How long the bytes of a deleted package are kept, for restored backups.")
    ] = 7 * 24 * 3600.0
    sweep_interval_seconds: Annotated[
        float, Field(gt=0, description="How often stale uploads and blobs nobody needs are looked for.")
    ] = 60.0
    verdict_cache_entries: Annotated[
        int, Field(ge=1, description="Credentials of agents whose verdict one process remembers.")
    ] = 10_000

    signing_key: Annotated[
        SecretStr,
        Field(
            description="Ed25519 private key in PEM (PKCS #8, no password) the platform signs with; by "
            "SIGNING_KEY_FILE. Empty = it signs nothing."
        ),
    ] = SecretStr("")
    sign_published: Annotated[
        bool, Field(description="With a signing key: sign whatever is published. Otherwise only on request.")
    ] = True
    require_signature: Annotated[
        bool, Field(description="Offer only files with a signature of a key that counts: the platform's or registered.")
    ] = False
    vet_interval_seconds: Annotated[
        float,
        Field(gt=0, description="How often the object store is asked whether what is offered was written since."),
    ] = 60.0
    rehash_seconds: Annotated[
        float, Field(gt=0, description="How often what is offered is read whole again, whatever the store says.")
    ] = 24 * 3600.0
    manifest_seconds: Annotated[
        float,
        Field(ge=60, description="How long a manifest the platform signs is valid; it is renewed at half of it."),
    ] = 7 * 24 * 3600.0
    manifest_threshold: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="Keys that must have signed a manifest; with more than one the platform alone signs none.",
        ),
    ] = 1

    public_url: Annotated[
        str,
        Field(
            description="How agents reach the listener for files, http(s)://host:port: what every download URL begins "
            "with. Empty = the listener's own address if only this machine reaches it; else nothing is offered."
        ),
    ] = ""
    offer_interval_seconds: Annotated[
        float, Field(gt=0, le=60, description="How often agents that are due are looked at.")
    ] = 1.0
    level_interval_seconds: Annotated[
        float,
        Field(gt=0, le=60, description="How often wanted and reported lists are compared for every agent."),
    ] = 30.0
    redo_first_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="An offer that was not delivered is repeated after this, then after twice as long each time.",
        ),
    ] = 10.0
    redo_most_seconds: Annotated[
        float, Field(gt=0, description="Longest pause between repeats of an undelivered offer.")
    ] = 60.0
    probe_after_seconds: Annotated[
        float,
        Field(gt=0, description="An agent that got an offer and stays silent this long is asked for its full state."),
    ] = 15.0
    report_timeout_seconds: Annotated[
        float, Field(gt=0, description="An agent that got an offer and stays silent this long has timed out.")
    ] = 60.0
    install_timeout_seconds: Annotated[
        float,
        Field(gt=0, description="An agent that downloads or installs without progress this long has timed out."),
    ] = 900.0
    max_timeouts: Annotated[
        int, Field(ge=1, description="Silent offers in a row before an agent is left alone until it reconnects.")
    ] = 3
    offer_chunk: Annotated[int, Field(ge=1, le=20000, description="Agents per offer message.")] = 2000
    inline_content_bytes: Annotated[
        int,
        Field(
            ge=0, le=65536, description="A list up to this size travels inside the offer; larger is fetched by hash."
        ),
    ] = 65536
    attempt_retention_days: Annotated[int, Field(ge=1, description="Days the ledger of tries is kept.")] = 90
    campaign_interval_seconds: Annotated[
        float, Field(gt=0, le=60, description="How often living campaigns are looked at, at most.")
    ] = 2.0
    campaign_retention_days: Annotated[
        int,
        Field(ge=1, description="Days the agents of an ended campaign are kept; the campaign and its counts stay."),
    ] = 90

    @field_validator("signing_key")
    @classmethod
    def _signing_key_signs(cls, value: SecretStr) -> SecretStr:
        platform_key_of(value.get_secret_value())
        return value

    @field_validator("s3_endpoint", "s3_public_endpoint", "public_url")
    @classmethod
    def _endpoints_are_addresses(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            message = "must be an address like http://host:9000"
            raise ValueError(message)
        return value.rstrip("/")
