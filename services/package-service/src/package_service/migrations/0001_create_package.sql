-- Packages, their published files, and blobs that may belong to nobody.

CREATE TABLE package (
    tenant_id   text        NOT NULL,
    name        text        NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    type        text        NOT NULL CHECK (type IN ('top_level', 'addon')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);

-- Publishing is a row: one per name, version, platform and architecture, and its content never changes.
CREATE TABLE package_file (
    tenant_id    text        NOT NULL,
    file_id      uuid        NOT NULL DEFAULT gen_random_uuid(),
    name         text        NOT NULL,
    version      text        NOT NULL CHECK (length(version) <= 64),
    platform     text        NOT NULL CHECK (platform IN ('linux', 'windows', 'darwin')),
    arch         text        NOT NULL CHECK (arch IN ('amd64', 'arm64', '386', 'arm', 'any')),
    sha256       bytea       NOT NULL CHECK (length(sha256) = 32),
    size         bigint      NOT NULL CHECK (size > 0),
    description  text        NOT NULL DEFAULT '',
    active       boolean     NOT NULL DEFAULT true,
    created_by   text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    downloads    bigint      NOT NULL DEFAULT 0,
    -- The stored bytes were found to be others than the published ones.
    damaged_at   timestamptz,
    PRIMARY KEY (tenant_id, file_id),
    UNIQUE (tenant_id, name, version, platform, arch),
    FOREIGN KEY (tenant_id, name) REFERENCES package (tenant_id, name)
);
CREATE INDEX package_file_created ON package_file (tenant_id, created_at, file_id);
CREATE INDEX package_file_content ON package_file (sha256);

-- Contents that no file may need: noted before a blob is stored and when a file is deleted, looked at later.
CREATE TABLE loose_blob (
    tenant_id  text        NOT NULL,
    sha256     bytea       NOT NULL CHECK (length(sha256) = 32),
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, sha256)
);
