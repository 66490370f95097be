-- What agents are offered for their connections, and component lists kept once for the fleet.

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

-- Serialised opamp.proto.v1.AvailableComponents by the hash agents gave them: the same list is kept once.
CREATE TABLE component_list (
    tenant_id text COLLATE "C" NOT NULL,
    components_hash bytea NOT NULL CHECK (octet_length(components_hash) BETWEEN 1 AND 128),
    body bytea NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, components_hash)
);

-- Refers to component_list; '' = the report itself holds what there is.
ALTER TABLE agent_components ADD COLUMN components_hash bytea NOT NULL DEFAULT '';

CREATE INDEX agent_components_hash ON agent_components (tenant_id, components_hash);
