-- Which files may be offered, who vouches for them, and what agents show to fetch them.

ALTER TABLE package_file
    -- Somebody wants to offer it; whoever vets looks at these.
    ADD COLUMN wanted_at    timestamptz,
    -- The stored bytes were read whole and found right, and the signatures suffice: it may be offered.
    ADD COLUMN vetted_at    timestamptz,
    -- What the store said of the blob when its bytes were found right; empty = not read yet, or changed since.
    ADD COLUMN vetted_mark  text        NOT NULL DEFAULT '',
    -- Why it is not vetted though its bytes are right; empty = nothing speaks against it.
    ADD COLUMN vet_refusal  text        NOT NULL DEFAULT '';
CREATE INDEX package_file_wanted ON package_file (wanted_at) WHERE wanted_at IS NOT NULL AND vetted_at IS NULL;
CREATE INDEX package_file_vetted ON package_file (sha256) WHERE vetted_at IS NOT NULL;

-- Signatures over a file's SHA-256, stored as they came.
CREATE TABLE package_signature (
    tenant_id     text        NOT NULL,
    signature_id  uuid        NOT NULL DEFAULT gen_random_uuid(),
    file_id       uuid        NOT NULL,
    format        text        NOT NULL CHECK (format IN ('ed25519', 'cosign', 'other')),
    -- Of package_key for ed25519; what somebody calls it otherwise.
    key_id        text        NOT NULL DEFAULT '' CHECK (length(key_id) <= 128),
    signature     bytea       NOT NULL CHECK (length(signature) BETWEEN 1 AND 65536),
    created_by    text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, signature_id),
    FOREIGN KEY (tenant_id, file_id) REFERENCES package_file (tenant_id, file_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX package_signature_once ON package_signature (tenant_id, file_id, format, key_id, sha256(signature));

-- Public keys whose signatures count. A revoked one stays, so that it cannot come back by mistake.
CREATE TABLE package_key (
    tenant_id   text        NOT NULL,
    -- The first 16 bytes of the SHA-256 of the key, as hexadecimal digits.
    key_id      text        NOT NULL CHECK (key_id ~ '^[0-9a-f]{32}$'),
    public_key  bytea       NOT NULL CHECK (length(public_key) = 32),
    name        text        NOT NULL DEFAULT '' CHECK (length(name) <= 128),
    -- platform: its private half is a setting of this service. registered: it is somewhere else.
    origin      text        NOT NULL CHECK (origin IN ('platform', 'registered')),
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_by  text        NOT NULL DEFAULT '',
    revoked_at  timestamptz,
    PRIMARY KEY (tenant_id, key_id)
);

-- Signed lists of every file of a channel; a version is never said twice.
CREATE TABLE package_manifest (
    tenant_id   text        NOT NULL,
    channel     text        NOT NULL CHECK (channel IN ('stable', 'beta')),
    version     bigint      NOT NULL CHECK (version > 0),
    -- Of the list alone: equal contents need no new version.
    content     bytea       NOT NULL CHECK (length(content) = 32),
    expires_at  timestamptz NOT NULL,
    envelope    bytea       NOT NULL,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel, version)
);

-- Secrets of download tickets: a ticket names its tenant, the secret is the service's.
CREATE TABLE file_ticket_key (
    key_id      text        NOT NULL PRIMARY KEY CHECK (key_id ~ '^[0-9a-f]{8}$'),
    secret      bytea       NOT NULL CHECK (length(secret) = 32),
    created_at  timestamptz NOT NULL DEFAULT now()
);
