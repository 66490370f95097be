-- The whole truth about package-service's own tables; tests/integration/package_service compares it with the migrations.

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
    -- Somebody wants to offer it; whoever vets looks at these.
    wanted_at    timestamptz,
    -- The stored bytes were read whole and found right, and the signatures suffice: it may be offered.
    vetted_at    timestamptz,
    -- What the store said of the blob when its bytes were found right; empty = not read yet, or changed since.
    vetted_mark  text        NOT NULL DEFAULT '',
    -- Why it is not vetted though its bytes are right; empty = nothing speaks against it.
    vet_refusal  text        NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, file_id),
    UNIQUE (tenant_id, name, version, platform, arch),
    FOREIGN KEY (tenant_id, name) REFERENCES package (tenant_id, name)
);
CREATE INDEX package_file_created ON package_file (tenant_id, created_at, file_id);
CREATE INDEX package_file_content ON package_file (sha256);
CREATE INDEX package_file_wanted ON package_file (wanted_at) WHERE wanted_at IS NOT NULL AND vetted_at IS NULL;
CREATE INDEX package_file_vetted ON package_file (sha256) WHERE vetted_at IS NOT NULL;

-- Contents that no file may need: noted before a blob is stored and when a file is deleted, looked at later.
CREATE TABLE loose_blob (
    tenant_id  text        NOT NULL,
    sha256     bytea       NOT NULL CHECK (length(sha256) = 32),
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, sha256)
);

-- Files that arrive: what is stored of them so far survives every crash, and nothing of it is visible.

CREATE TABLE upload (
    tenant_id     text        NOT NULL,
    upload_id     uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- Empty while a form has not told yet what its file is.
    name          text        NOT NULL DEFAULT '',
    version       text        NOT NULL DEFAULT '',
    platform      text        NOT NULL DEFAULT '',
    arch          text        NOT NULL DEFAULT '',
    type          text        NOT NULL DEFAULT '',
    description   text        NOT NULL DEFAULT '',
    -- 0: not known before its end.
    size          bigint      NOT NULL CHECK (size >= 0),
    sha256        bytea       CHECK (length(sha256) = 32),
    part_bytes    integer     NOT NULL CHECK (part_bytes > 0),
    stored        bigint      NOT NULL DEFAULT 0,
    parts         integer     NOT NULL DEFAULT 0,
    multipart_id  text        NOT NULL DEFAULT '',
    -- Set when it was published; the row stays a while, so that completing again finds it.
    file_id       uuid,
    created_by    text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, upload_id)
);
CREATE INDEX upload_idle ON upload (updated_at);

CREATE TABLE upload_part (
    tenant_id  text    NOT NULL,
    upload_id  uuid    NOT NULL,
    number     integer NOT NULL CHECK (number > 0),
    size       bigint  NOT NULL CHECK (size > 0),
    etag       text    NOT NULL,
    PRIMARY KEY (tenant_id, upload_id, number),
    FOREIGN KEY (tenant_id, upload_id) REFERENCES upload (tenant_id, upload_id) ON DELETE CASCADE
);

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
    -- By package that the agent should not have now: contents that failed, in hexadecimal digits.
    failed           jsonb       NOT NULL DEFAULT '{}',
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
    -- SHA-256 of the file it should have; empty when nothing fits.
    content_hash    bytea            NOT NULL DEFAULT '',
    -- What its list holds: the former file while the wanted one is given up; null = the list is without it.
    listed_file_id  uuid,
    state           text             NOT NULL CHECK (state IN ('pending', 'offered', 'downloading', 'installing',
                                                               'installed', 'failed', 'rolled_back', 'timed_out')),
    percent         double precision NOT NULL,
    error           text             NOT NULL,
    -- SHA-256 of files, 32 bytes each, newest last: not offered again unless somebody asks.
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

-- Deleted agents, for as long as facts about them may still be under way: those must not bring them back.
CREATE TABLE package_grave (
    tenant_id     text        NOT NULL,
    instance_uid  bytea       NOT NULL CHECK (length(instance_uid) = 16),
    -- Up to this connection nothing it said counts.
    epoch         bigint      NOT NULL,
    deleted_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, instance_uid)
);
CREATE INDEX package_grave_deleted ON package_grave (deleted_at);

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

-- Upgrade campaigns: the agents of an assignment move from one version to another, stage by stage.

CREATE TABLE campaign (
    tenant_id          text        NOT NULL,
    campaign_id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    name               text        NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    -- No reference: what a campaign did is told even when its assignment is gone.
    assignment_id      uuid        NOT NULL,
    package            text        NOT NULL,
    from_version       text        NOT NULL CHECK (length(from_version) BETWEEN 1 AND 64),
    to_version         text        NOT NULL CHECK (length(to_version) BETWEEN 1 AND 64),
    -- In order: {"percent": n} or {"selector": {key: value}}.
    stages             jsonb       NOT NULL,
    max_in_flight      integer     NOT NULL CHECK (max_in_flight > 0),
    watch_seconds      integer     NOT NULL CHECK (watch_seconds >= 0),
    timeout_seconds    integer     NOT NULL CHECK (timeout_seconds > 0),
    -- {"percent": n} or {"count": n}
    failure_threshold  jsonb       NOT NULL,
    -- {"time_zone": …, "days": […], "from": "HH:MM", "to": "HH:MM"}; null = always open.
    opening            jsonb,
    rollback           boolean     NOT NULL,
    state              text        NOT NULL DEFAULT 'draft'
                       CHECK (state IN ('draft', 'running', 'paused', 'halted', 'completed', 'aborted')),
    -- Counted from 0.
    stage              integer     NOT NULL DEFAULT 0,
    stage_since        timestamptz,
    -- Failures are counted afresh in each; resuming after a halt begins the next.
    round              integer     NOT NULL DEFAULT 0,
    reason             text        NOT NULL DEFAULT '',
    revision           bigint      NOT NULL DEFAULT 1 CHECK (revision > 0),
    created_by         text        NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_by         text        NOT NULL,
    updated_at         timestamptz NOT NULL DEFAULT now(),
    started_at         timestamptz,
    ended_at           timestamptz,
    -- Of the assignment when it was started or last resumed: any other holds it.
    assignment_revision bigint     NOT NULL DEFAULT 0,
    -- How many are in which state.
    agents              jsonb      NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, campaign_id)
);
CREATE INDEX campaign_created ON campaign (tenant_id, created_at, campaign_id);
-- One that lives per assignment: two would pull an agent to and fro.
CREATE UNIQUE INDEX campaign_living ON campaign (tenant_id, assignment_id)
    WHERE state IN ('running', 'paused', 'halted');

-- Every agent that was ever seen in a campaign.
CREATE TABLE campaign_agent (
    tenant_id     text        NOT NULL,
    campaign_id   uuid        NOT NULL,
    instance_uid  bytea       NOT NULL CHECK (length(instance_uid) = 16),
    state         text        NOT NULL CHECK (state IN ('waiting', 'admitted', 'watching', 'succeeded', 'failed',
                                                        'rolled_back', 'left_out')),
    since         timestamptz NOT NULL,
    -- It was admitted in; counted from 0.
    stage         integer,
    -- Of the campaign when it failed.
    round         integer     NOT NULL,
    error         text        NOT NULL,
    -- It was told to go back to the previous version.
    put_back      boolean     NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, instance_uid),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, campaign_id) ON DELETE CASCADE
);
CREATE INDEX campaign_agent_state ON campaign_agent (tenant_id, campaign_id, state);
