-- Configurations and every version they ever had.

-- One row per tenant: `generation` grows with every change of what selectors see, so that a replica knows
-- when its index is old. Writers of configurations and matchers exclude each other by an advisory lock.
CREATE TABLE configuration_generation (
    tenant_id   text   PRIMARY KEY,
    generation  bigint NOT NULL
);

CREATE TABLE configuration (
    tenant_id        text        NOT NULL,
    name             text        NOT NULL,
    version          bigint      NOT NULL CHECK (version > 0),
    created_at       timestamptz NOT NULL DEFAULT now(),
    deleted_at       timestamptz,
    -- Only of attempts that were pruned; the ledger knows the newer ones.
    last_applied_at  timestamptz,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE configuration_version (
    tenant_id       text        NOT NULL,
    name            text        NOT NULL,
    version         bigint      NOT NULL CHECK (version > 0),
    version_id      bigint      GENERATED ALWAYS AS IDENTITY,
    display_name    text        NOT NULL,
    description     text        NOT NULL,
    content_type    text        NOT NULL CHECK (content_type IN ('yaml', 'json')),
    raw_config      text        NOT NULL,
    config_hash     bytea       NOT NULL CHECK (length(config_hash) = 32),
    selector        jsonb       NOT NULL,
    priority        integer     NOT NULL,
    platform        jsonb       NOT NULL,
    author          text        NOT NULL,
    comment         text        NOT NULL,
    rolled_back_to  bigint      NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name, version),
    FOREIGN KEY (tenant_id, name) REFERENCES configuration (tenant_id, name)
);
CREATE UNIQUE INDEX configuration_version_id ON configuration_version (tenant_id, version_id);
CREATE INDEX configuration_version_hash ON configuration_version (tenant_id, config_hash);
