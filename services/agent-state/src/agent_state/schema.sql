-- The whole truth about agent-state's own tables; tests/integration/agent_state compares it with the migrations.

--
-- Every column an agent's words end up in is a register with a fence (epoch, sequence): a write with a
-- smaller or equal fence changes nothing, so facts may come twice, late, or in any order.

-- Numbers of connections; grow with every connect of the fleet.
CREATE SEQUENCE connection_epoch AS bigint;

-- Hands out `wanted` numbers in a row and returns the first. The lock keeps two callers from interleaving.
CREATE FUNCTION allocate_epochs(wanted integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('agent_state.connection_epoch'));
    first := nextval('connection_epoch');
    IF wanted > 1 THEN
        PERFORM setval('connection_epoch', first + wanted - 1);
    END IF;
    RETURN first;
END
$$;

-- Lets the sequence stand at `seen` or above and returns where it stands; never lowers it. A restored database
-- may count connections from below numbers that are already known elsewhere.
CREATE FUNCTION raise_epochs(seen bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    reached bigint;
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO reached FROM connection_epoch;
    IF seen <= reached THEN
        RETURN reached;
    END IF;
    -- The lock of allocate_epochs: between its two steps the sequence must not move.
    PERFORM pg_advisory_xact_lock(hashtext('agent_state.connection_epoch'));
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO reached FROM connection_epoch;
    IF seen <= reached THEN
        RETURN reached;
    END IF;
    RETURN setval('connection_epoch', seen);
END
$$;

-- One row per agent. Changes only when something about the agent changes: heartbeats go to agent_presence,
-- so these pages stay all-visible and counting reads an index alone.
CREATE TABLE agent (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL CHECK (octet_length(agent_uid) = 16),

    -- Newest fact: the connection it belongs to and its place there.
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    agent_sequence_num bigint NOT NULL DEFAULT 0,
    gateway_id text NOT NULL DEFAULT '',

    -- Highest epoch a Disconnected fact ended for good.
    closed_epoch bigint NOT NULL DEFAULT 0,
    -- Epoch given up for silence or a dead gateway; 0 again when the agent is heard from on it.
    lost_epoch bigint NOT NULL DEFAULT 0,
    last_disconnected_at timestamptz,
    disconnect_reason text NOT NULL DEFAULT '',

    -- Connected fact of this epoch; 0 = only implied by other facts so far.
    connected_sequence bigint NOT NULL DEFAULT 0,
    last_connected_at timestamptz NOT NULL,
    transport smallint NOT NULL DEFAULT 0,
    remote_address text NOT NULL DEFAULT '',

    capabilities_epoch bigint NOT NULL DEFAULT 0,
    capabilities_sequence bigint NOT NULL DEFAULT 0,
    capabilities bigint NOT NULL DEFAULT 0,

    described_epoch bigint NOT NULL DEFAULT 0,
    described_sequence bigint NOT NULL DEFAULT 0,
    name text NOT NULL DEFAULT '',
    version text NOT NULL DEFAULT '',
    hostname text NOT NULL DEFAULT '',
    os_type text NOT NULL DEFAULT '',
    architecture text NOT NULL DEFAULT '',

    health_epoch bigint NOT NULL DEFAULT 0,
    health_sequence bigint NOT NULL DEFAULT 0,
    health_state text COLLATE "C" NOT NULL DEFAULT 'unknown'
        CHECK (health_state IN ('unknown', 'healthy', 'unhealthy')),
    health_error text NOT NULL DEFAULT '',
    health_status text NOT NULL DEFAULT '',

    config_epoch bigint NOT NULL DEFAULT 0,
    config_sequence bigint NOT NULL DEFAULT 0,
    config_state text COLLATE "C" NOT NULL DEFAULT 'unset'
        CHECK (config_state IN ('unset', 'applying', 'applied', 'failed')),
    config_error text NOT NULL DEFAULT '',
    remote_config_hash bytea NOT NULL DEFAULT '',

    -- Of the newest connection, as its Connected fact told.
    credential_id text COLLATE "C" NOT NULL DEFAULT '',
    -- Labels its enrolment stamps on it, also in agent_description.labels; NULL = none.
    stamped_labels jsonb,
    -- True while nothing is offered on that connection.
    withheld boolean NOT NULL DEFAULT false,

    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),

    -- The one place where the status of an agent is decided.
    link text COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN epoch > closed_epoch AND epoch > lost_epoch THEN 'connected' ELSE 'disconnected' END
    ) STORED,
    status text COLLATE "C" GENERATED ALWAYS AS (
        CASE
            WHEN epoch <= closed_epoch OR epoch <= lost_epoch THEN 'offline'
            WHEN health_state = 'unhealthy' OR config_state = 'failed' THEN 'error'
            ELSE 'online'
        END
    ) STORED,
    -- What `search` looks through.
    search_text text GENERATED ALWAYS AS (
        lower(name || ' ' || hostname || ' ' || version) || ' ' || encode(agent_uid, 'hex')
    ) STORED,

    PRIMARY KEY (tenant_id, agent_uid)
);

CREATE INDEX agent_created_at ON agent (tenant_id, created_at, agent_uid);
CREATE INDEX agent_name ON agent (tenant_id, name, agent_uid);
-- Answers the status summary without touching the table.
CREATE INDEX agent_states ON agent (tenant_id, status, link, health_state, config_state);
-- Who must still be asked for its description; nearly always empty.
CREATE INDEX agent_undescribed ON agent (tenant_id, agent_uid) WHERE described_epoch = 0;

-- Who must reconnect once approved; nearly always empty.
CREATE INDEX agent_withheld ON agent (tenant_id, agent_uid) WHERE withheld;

-- Which connections a token or credential opened.
CREATE INDEX agent_by_credential ON agent (tenant_id, credential_id) WHERE link = 'connected';

-- Who comes back when heard from on the same connection.
CREATE INDEX agent_lost ON agent (tenant_id, agent_uid) WHERE lost_epoch = epoch AND closed_epoch < epoch;

-- Who was heard from when, by database time. Narrow, without a second index and with room on every page, so
-- that a heartbeat is one heap-only update.
CREATE TABLE agent_presence (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    epoch bigint NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, agent_uid)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- An agent deleted by a person: facts of this epoch and older ones still under way must not bring it back.
CREATE TABLE agent_tombstone (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    epoch bigint NOT NULL,
    gateway_id text NOT NULL DEFAULT '',
    deleted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_uid)
);

CREATE TABLE agent_description (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    -- Every attribute as text, as selectors see it.
    labels jsonb NOT NULL,
    -- Serialised opamp.proto.v1.AgentDescription.
    report bytea NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_uid)
);

CREATE INDEX agent_description_labels ON agent_description USING gin (labels jsonb_path_ops);

-- Serialised opamp.proto.v1.ComponentHealth: the whole tree.
CREATE TABLE agent_health (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    report bytea NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_uid)
);

-- Serialised opamp.proto.v1.AvailableComponents.
CREATE TABLE agent_components (
    LIKE agent_health INCLUDING DEFAULTS,
    -- Refers to component_list; '' = the report itself holds what there is.
    components_hash bytea NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, agent_uid)
);

CREATE INDEX agent_components_hash ON agent_components (tenant_id, components_hash);

-- Serialised opamp.proto.v1.AvailableComponents by the hash agents gave them: the same list is kept once.
CREATE TABLE component_list (
    tenant_id text COLLATE "C" NOT NULL,
    components_hash bytea NOT NULL CHECK (octet_length(components_hash) BETWEEN 1 AND 128),
    body bytea NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, components_hash)
);

-- Serialised opamp.proto.v1.CustomCapabilities.
CREATE TABLE agent_custom_capabilities (
    LIKE agent_health INCLUDING DEFAULTS, PRIMARY KEY (tenant_id, agent_uid)
);

-- Serialised opamp.proto.v1.PackageStatuses.
CREATE TABLE agent_package_statuses (
    LIKE agent_health INCLUDING DEFAULTS, PRIMARY KEY (tenant_id, agent_uid)
);

-- Serialised opamp.proto.v1.ConnectionSettingsStatus.
CREATE TABLE agent_connection_settings_status (
    LIKE agent_health INCLUDING DEFAULTS, PRIMARY KEY (tenant_id, agent_uid)
);

-- Serialised opamp.proto.v1.EffectiveConfig with secrets taken out, once per distinct text.
CREATE TABLE effective_config_body (
    tenant_id text COLLATE "C" NOT NULL,
    body_hash bytea NOT NULL CHECK (octet_length(body_hash) = 32),
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, body_hash)
);

CREATE TABLE effective_config (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    body_hash bytea NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_uid)
);

CREATE INDEX effective_config_hash ON effective_config (tenant_id, body_hash);

-- Connection history. Weekly partitions are made ahead and dropped by the sweeper; the default one takes
-- what no week claims. The key is also the order of the history.
CREATE TABLE agent_connection (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    connected_at timestamptz NOT NULL,
    epoch bigint NOT NULL,
    disconnected_at timestamptz,
    duration_seconds double precision GENERATED ALWAYS AS (
        CASE
            WHEN disconnected_at > connected_at THEN extract(epoch FROM disconnected_at - connected_at)::double precision
            WHEN disconnected_at IS NOT NULL THEN 0
        END
    ) STORED,
    disconnect_reason text NOT NULL DEFAULT '',
    -- 0 open, 1 closed by inference (replaced, gateway lost, heartbeat timeout), 2 closed by its own fact.
    closed_by smallint NOT NULL DEFAULT 0,
    gateway_id text NOT NULL DEFAULT '',
    remote_address text NOT NULL DEFAULT '',
    transport smallint NOT NULL DEFAULT 0,
    -- True while no Connected fact told of it, only later ones.
    implied boolean NOT NULL DEFAULT false,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_uid, connected_at, epoch)
) PARTITION BY RANGE (connected_at);

CREATE TABLE agent_connection_rest PARTITION OF agent_connection DEFAULT;

-- A gateway lives as long as its lease, by database time.
CREATE TABLE gateway_lease (
    gateway_id text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    connections bigint NOT NULL DEFAULT 0
);

-- Tokens that let agents in. Only the hash of the text is kept.
CREATE TABLE enrolment_token (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    name text NOT NULL,
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    -- NULL = any number.
    max_uses bigint CHECK (max_uses > 0),
    -- Counted only where max_uses sets a limit; else the rows of enrolment tell.
    uses bigint NOT NULL DEFAULT 0,
    cidrs text[] NOT NULL DEFAULT '{}',
    -- Stamped on agents, `group` included.
    labels jsonb NOT NULL DEFAULT '{}',
    requires_approval boolean NOT NULL DEFAULT false,
    ephemeral_seconds bigint NOT NULL DEFAULT 0 CHECK (ephemeral_seconds >= 0),
    issues text COLLATE "C" NOT NULL DEFAULT 'none' CHECK (issues IN ('none', 'bearer', 'jwt')),
    -- 0 = as the settings say.
    credential_lifetime_seconds bigint NOT NULL DEFAULT 0 CHECK (credential_lifetime_seconds >= 0),
    PRIMARY KEY (tenant_id, id)
);

-- Which agents came in by which token: an agent that comes again does not count twice.
CREATE TABLE enrolment (
    tenant_id text COLLATE "C" NOT NULL,
    token_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL,
    enrolled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, token_id, agent_uid)
);

CREATE INDEX enrolment_agent ON enrolment (tenant_id, agent_uid);

-- What was decided about an agent. Agents without a row are approved and have nothing of their own. It outlives
-- the agent's row: forgetting an agent does not let it in again.
CREATE TABLE agent_identity (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL CHECK (octet_length(agent_uid) = 16),
    approval text COLLATE "C" NOT NULL DEFAULT 'approved'
        CHECK (approval IN ('approved', 'pending', 'rejected', 'revoked')),
    -- Labels of the token it enrolled with last.
    stamped_labels jsonb NOT NULL DEFAULT '{}',
    -- The token that let it in first; '' = none.
    enrolment_token_id text COLLATE "C" NOT NULL DEFAULT '',
    -- Forgotten after this long offline; 0 = never.
    ephemeral_seconds bigint NOT NULL DEFAULT 0,
    -- Kind of credential it is given, and for how long; '' = none.
    issues text COLLATE "C" NOT NULL DEFAULT '' CHECK (issues IN ('', 'bearer', 'jwt')),
    credential_lifetime_seconds bigint NOT NULL DEFAULT 0,
    -- Counts credentials made for it.
    credential_version bigint NOT NULL DEFAULT 0,
    -- PEM of a certificate request that waits for approval.
    pending_csr bytea,
    decided_by text NOT NULL DEFAULT '',
    decided_at timestamptz,
    comment text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    -- An agent let in a moment ago is not forgotten although it is not connected yet.
    admitted_at timestamptz NOT NULL DEFAULT now(),
    -- The id it had before the platform gave it another one: the credential of that id lets it in until it has its
    -- own.
    former_uid bytea,
    -- Since when a person has let go of it: whichever token it shows next may enrol it anew.
    released_at timestamptz,
    -- The first id of an agent that was given others: how many of them there may be is counted, and whoever is revoked
    -- takes along those that came of it.
    origin_uid bytea,
    PRIMARY KEY (tenant_id, agent_uid)
);

-- Who waits, and who must not come in; few.
CREATE INDEX agent_identity_barred ON agent_identity (tenant_id, approval, agent_uid) WHERE approval <> 'approved';
-- Whose are agents that a shared token must not speak for.
CREATE INDEX agent_identity_token ON agent_identity (tenant_id, enrolment_token_id) WHERE enrolment_token_id <> '';
CREATE INDEX agent_identity_origin ON agent_identity (tenant_id, origin_uid) WHERE origin_uid IS NOT NULL;
CREATE INDEX agent_identity_ephemeral ON agent_identity (tenant_id, agent_uid) WHERE ephemeral_seconds > 0;

-- Agents' own credentials. Secrets are derived, never stored.
CREATE TABLE agent_credential (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL CHECK (octet_length(agent_uid) = 16),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('bearer', 'jwt', 'certificate')),
    state text COLLATE "C" NOT NULL DEFAULT 'candidate'
        CHECK (state IN ('candidate', 'current', 'superseded', 'revoked')),
    -- SHA-256 of the text, or of the certificate.
    proof_hash bytea NOT NULL UNIQUE CHECK (octet_length(proof_hash) = 32),
    version bigint NOT NULL,
    -- Whole seconds: they are part of what a text is derived from.
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    first_used_at timestamptz,
    ended_at timestamptz,
    revoked_by text NOT NULL DEFAULT '',
    enrolment_token_id text COLLATE "C" NOT NULL DEFAULT '',
    certificate_pem bytea,
    -- Two thirds of its life are over then.
    renew_at timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX agent_credential_agent ON agent_credential (tenant_id, agent_uid, created_at, id);
-- Which are due to be renewed.
CREATE INDEX agent_credential_due ON agent_credential (renew_at) WHERE state IN ('candidate', 'current');
-- Whose connections must be closed.
CREATE INDEX agent_credential_revoked ON agent_credential (tenant_id, agent_uid, id) WHERE state = 'revoked';
CREATE INDEX agent_credential_ended ON agent_credential (ended_at) WHERE state = 'superseded';
CREATE INDEX agent_credential_expiry ON agent_credential (expires_at) WHERE state IN ('candidate', 'current');

-- One row per tenant: `generation` grows with every change of its policies, so that a replica knows when what it
-- has read is old, and the sweep which agents were not looked at since.
CREATE TABLE connection_settings_generation (
    tenant_id text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL
);

CREATE TABLE connection_settings_policy (
    tenant_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- Empty matches every agent.
    selector jsonb NOT NULL,
    priority integer NOT NULL,
    -- Serialised opamp.proto.v1.ConnectionSettingsOffers without hash.
    settings bytea NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    author text NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- Where an agent stands with the settings meant for it. Agents nothing was ever meant for have no row.
CREATE TABLE agent_connection_settings (
    tenant_id text COLLATE "C" NOT NULL,
    agent_uid bytea NOT NULL CHECK (octet_length(agent_uid) = 16),

    -- Empty = nothing.
    desired_hash bytea NOT NULL DEFAULT '',
    policies text[] NOT NULL DEFAULT '{}',
    fault text NOT NULL DEFAULT '',
    -- How often a person asked for another try; part of the hash.
    retries integer NOT NULL DEFAULT 0,

    offered_hash bytea NOT NULL DEFAULT '',
    offered_at timestamptz,
    -- Offers of desired_hash on this connection.
    offer_count integer NOT NULL DEFAULT 0,
    delivered_hash bytea NOT NULL DEFAULT '',
    delivered_at timestamptz,
    -- Connection it was delivered on; 0 = with the first answer of one not known then.
    delivered_epoch bigint NOT NULL DEFAULT 0,
    -- Deliveries of desired_hash on this connection that nothing was heard of.
    silences integer NOT NULL DEFAULT 0,

    reported_hash bytea NOT NULL DEFAULT '',
    reported_error text NOT NULL DEFAULT '',
    state text COLLATE "C" NOT NULL DEFAULT 'none'
        CHECK (state IN ('none', 'pending', 'offered', 'applying', 'applied', 'failed', 'timed_out')),

    -- What the last decision was based on: another value, or NULL, means it must be decided anew.
    seen_generation bigint,
    seen_epoch bigint NOT NULL DEFAULT 0,
    seen_capabilities bigint NOT NULL DEFAULT 0,
    seen_description bigint[] NOT NULL DEFAULT '{}',
    seen_status bigint[] NOT NULL DEFAULT '{}',
    -- When to look again without being told anything.
    due_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_uid)
);

CREATE INDEX agent_connection_settings_due ON agent_connection_settings (due_at) WHERE due_at IS NOT NULL;
