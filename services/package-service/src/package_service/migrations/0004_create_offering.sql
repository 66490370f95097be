-- Which agents should have which packages, and whether they do.

CREATE TABLE package_assignment (
    tenant_id      text        NOT NULL,
    assignment_id  uuid        NOT NULL DEFAULT gen_random_uuid(),
    name           text        NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    package        text        NOT NULL CHECK (package ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    channel        text        NOT NULL CHECK (channel IN ('stable', 'beta')),
    version        text        NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
    selector       jsonb       NOT NULL,
    groups         text[]      NOT NULL,
    priority       integer     NOT NULL,
    enabled        boolean     NOT NULL,
    revision       bigint      NOT NULL DEFAULT 1 CHECK (revision > 0),
    created_by     text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_by     text        NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, assignment_id),
    UNIQUE (tenant_id, name)
);
CREATE INDEX package_assignment_package ON package_assignment (tenant_id, package);

-- Agents an assignment names one by one.
CREATE TABLE package_assignment_agent (
    tenant_id      text  NOT NULL,
    assignment_id  uuid  NOT NULL,
    instance_uid   bytea NOT NULL CHECK (length(instance_uid) = 16),
    PRIMARY KEY (tenant_id, assignment_id, instance_uid),
    FOREIGN KEY (tenant_id, assignment_id) REFERENCES package_assignment (tenant_id, assignment_id) ON DELETE CASCADE
);
CREATE INDEX package_assignment_agent_uid ON package_assignment_agent (tenant_id, instance_uid);

-- Another version than the assignment's, for one agent.
CREATE TABLE package_choice (
    tenant_id      text        NOT NULL,
    assignment_id  uuid        NOT NULL,
    instance_uid   bytea       NOT NULL CHECK (length(instance_uid) = 16),
    version        text        NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, assignment_id, instance_uid),
    FOREIGN KEY (tenant_id, assignment_id) REFERENCES package_assignment (tenant_id, assignment_id) ON DELETE CASCADE
);
CREATE INDEX package_choice_uid ON package_choice (tenant_id, instance_uid);

-- One row per tenant: `generation` grows with every change of what agents are matched against, so that a replica
-- knows when its index is old. Whoever matches and whoever changes exclude each other by an advisory lock.
CREATE TABLE offering_generation (
    tenant_id   text   PRIMARY KEY,
    generation  bigint NOT NULL
);

-- Packages of which files came, went, or may be offered or not any more: agents that have to do with them are
-- looked at again, then the row is removed.
CREATE TABLE package_change (
    tenant_id  text        NOT NULL,
    change_id  bigint      GENERATED ALWAYS AS IDENTITY,
    package    text        NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, change_id)
);

-- Complete lists by their all_packages_hash: agents with equal lists share one.
CREATE TABLE package_list (
    tenant_id   text        NOT NULL,
    list_hash   bytea       NOT NULL CHECK (length(list_hash) = 32),
    -- A serialised PackagesAvailable without the headers of its files.
    body        bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, list_hash)
);

-- One row per agent that ever connected: a projection of facts beside what should be.
CREATE TABLE package_target (
    tenant_id        text        NOT NULL,
    instance_uid     bytea       NOT NULL CHECK (length(instance_uid) = 16),
    epoch            bigint      NOT NULL,
    gateway_id       text        NOT NULL,
    connected        boolean     NOT NULL,
    capabilities     bigint      NOT NULL,
    -- The stamped ones included; they win.
    labels           jsonb       NOT NULL,
    stamped_labels   jsonb       NOT NULL,
    withheld         boolean     NOT NULL,
    -- Per kind of fact: [epoch, sequence] of the newest one taken.
    fences           jsonb       NOT NULL,
    -- As packages call them; empty = none there are packages for.
    platform         text        NOT NULL,
    arch             text        NOT NULL,
    healthy          boolean,
    -- all_packages_hash of the list it should have; empty = it is sent none.
    desired_hash     bytea       NOT NULL,
    -- Why no newer list is sent although one is due; empty otherwise.
    held             text        NOT NULL,
    offered_hash     bytea       NOT NULL,
    content_hash     bytea       NOT NULL,
    offer_count      integer     NOT NULL,
    retry_at         timestamptz,
    delivered_epoch  bigint      NOT NULL,
    waiting_since    timestamptz,
    probed           boolean     NOT NULL,
    timeouts         integer     NOT NULL,
    reported_hash    bytea       NOT NULL,
    reported_error   text        NOT NULL,
    -- Package to [version, hash in hexadecimal digits] as the agent says it has them.
    reported         jsonb       NOT NULL,
    -- What it should have has to be found out again.
    dirty            boolean     NOT NULL,
    due_at           timestamptz,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, instance_uid)
);
CREATE INDEX package_target_due ON package_target (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX package_target_list ON package_target (tenant_id, desired_hash) WHERE desired_hash <> '';

-- Where an agent stands with each package it should have.
CREATE TABLE agent_package (
    tenant_id       text             NOT NULL,
    instance_uid    bytea            NOT NULL CHECK (length(instance_uid) = 16),
    package         text             NOT NULL,
    assignment_id   uuid             NOT NULL,
    -- What it should have; empty and null when nothing fits.
    version         text             NOT NULL,
    file_id         uuid,
    package_hash    bytea            NOT NULL,
    -- What its list holds: the former file while the wanted one is given up; null = the list is without it.
    listed_file_id  uuid,
    state           text             NOT NULL CHECK (state IN ('pending', 'offered', 'downloading', 'installing',
                                                               'installed', 'failed', 'rolled_back', 'timed_out')),
    percent         double precision NOT NULL,
    error           text             NOT NULL,
    -- 32 bytes each, newest last: not offered again unless somebody asks.
    failed_hashes   bytea            NOT NULL,
    attempt_id      bigint,
    -- Who asked for the next try.
    requested_by    text             NOT NULL,
    since           timestamptz      NOT NULL,
    -- The last sign of progress.
    moved_at        timestamptz      NOT NULL,
    PRIMARY KEY (tenant_id, instance_uid, package)
);
CREATE INDEX agent_package_assignment ON agent_package (tenant_id, assignment_id, instance_uid);
CREATE INDEX agent_package_package ON agent_package (tenant_id, package);
CREATE INDEX agent_package_file ON agent_package (tenant_id, file_id) WHERE file_id IS NOT NULL;
CREATE INDEX agent_package_listed ON agent_package (tenant_id, listed_file_id) WHERE listed_file_id IS NOT NULL;

-- The ledger: one row per try to make one agent have one package.
CREATE TABLE package_attempt (
    tenant_id      text        NOT NULL,
    attempt_id     bigint      GENERATED ALWAYS AS IDENTITY,
    instance_uid   bytea       NOT NULL CHECK (length(instance_uid) = 16),
    package        text        NOT NULL,
    version        text        NOT NULL,
    package_hash   bytea       NOT NULL CHECK (length(package_hash) = 32),
    assignment_id  uuid        NOT NULL,
    attempt        integer     NOT NULL CHECK (attempt > 0),
    state          text        NOT NULL CHECK (state IN ('offered', 'downloading', 'installing', 'installed', 'failed',
                                                         'rolled_back', 'timed_out', 'superseded')),
    error          text        NOT NULL DEFAULT '',
    requested_by   text        NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, attempt_id)
);
CREATE UNIQUE INDEX package_attempt_of_agent
    ON package_attempt (tenant_id, instance_uid, package, package_hash, attempt);
CREATE INDEX package_attempt_created ON package_attempt (created_at);
