"""What package-service can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

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
            "file is sent to the object store with an address that works for PRESIGNED_SECONDS."
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

    @field_validator("s3_endpoint", "s3_public_endpoint")
    @classmethod
    def _endpoints_are_addresses(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            message = "must be an address like http://host:9000"
            raise ValueError(message)
        return value.rstrip("/")
