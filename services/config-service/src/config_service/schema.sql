-- The whole truth about config-service's own tables; tests/integration/config_service compares it with the migrations.

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

-- Who should run what, and whether they do.

-- Explicit choices of people; they win over selectors.
CREATE TABLE assignment (
    tenant_id   text        NOT NULL,
    uid         bytea       NOT NULL CHECK (length(uid) = 16),
    name        text        NOT NULL,
    author      text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, uid)
);
CREATE INDEX assignment_name ON assignment (tenant_id, name);

-- The ledger: one row per try to make one agent run one content. Rows only move through their statuses.
CREATE TABLE attempt (
    tenant_id     text        NOT NULL,
    attempt_id    bigint      GENERATED ALWAYS AS IDENTITY,
    uid           bytea       NOT NULL CHECK (length(uid) = 16),
    config_hash   bytea       NOT NULL CHECK (length(config_hash) = 32),
    attempt       integer     NOT NULL CHECK (attempt > 0),
    name          text        NOT NULL,
    version       bigint      NOT NULL,
    status        text        NOT NULL CHECK (status IN ('pending', 'offered', 'applying', 'applied', 'failed',
                                                         'timed_out', 'rolled_back_by_agent', 'superseded')),
    error         text        NOT NULL DEFAULT '',
    cause         text        NOT NULL CHECK (cause IN ('connect', 'change', 'push', 'assignment', 'sweep')),
    requested_by  text        NOT NULL DEFAULT '',
    confirmed     boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    offered_at    timestamptz,
    applied_at    timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, attempt_id)
);
CREATE UNIQUE INDEX attempt_of_agent ON attempt (tenant_id, uid, config_hash, attempt);
CREATE INDEX attempt_of_configuration ON attempt (tenant_id, name, attempt_id);
CREATE INDEX attempt_applied ON attempt (tenant_id, name, applied_at) WHERE applied_at IS NOT NULL;
CREATE INDEX attempt_created ON attempt (created_at);

-- One row per agent ever heard of: a projection of facts beside what should be.
CREATE TABLE agent_target (
    tenant_id        text        NOT NULL,
    uid              bytea       NOT NULL CHECK (length(uid) = 16),
    epoch            bigint      NOT NULL,
    gateway_id       text        NOT NULL,
    connected        boolean     NOT NULL,
    capabilities     bigint      NOT NULL,
    labels           jsonb       NOT NULL,
    -- Per kind of fact: [epoch, sequence] of the newest one taken.
    fences           jsonb       NOT NULL,
    desired_name     text        NOT NULL,
    desired_version  bigint      NOT NULL,
    desired_hash     bytea       NOT NULL,
    reason           text        NOT NULL,
    -- Grows with every change of what the registry should say.
    generation       bigint      NOT NULL,
    attempt_id       bigint,
    offered_hash     bytea       NOT NULL,
    offer_count      integer     NOT NULL,
    retry_at         timestamptz,
    delivered_epoch  bigint      NOT NULL,
    waiting_since    timestamptz,
    probed           boolean     NOT NULL,
    timeouts         integer     NOT NULL,
    reported_hash    bytea       NOT NULL,
    reported         text        NOT NULL,
    reported_error   text        NOT NULL,
    healthy          boolean,
    effective_hash   bytea       NOT NULL,
    effective_holds  boolean,
    -- 32 bytes each, newest last.
    failed_hashes    bytea       NOT NULL,
    due_at           timestamptz,
    state            text        NOT NULL,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    -- 32 bytes each, newest last: what reached the agent on its present connection though it should not run it.
    stray_hashes     bytea       NOT NULL DEFAULT '',
    -- Labels its enrolment stamps on the agent; also in `labels`, where they win.
    stamped_labels   jsonb       NOT NULL DEFAULT '{}',
    -- While true the agent waits for approval, and nothing is offered to it.
    withheld         boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, uid)
);
CREATE INDEX agent_target_due ON agent_target (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX agent_target_desired ON agent_target (tenant_id, desired_name);
CREATE INDEX agent_target_generation ON agent_target (generation);
