-- Who agents are: rules of enrolment tokens, agents that enrolled, their own credentials, and their approval.

-- Of the newest connection, as its Connected fact told.
ALTER TABLE agent ADD COLUMN credential_id text COLLATE "C" NOT NULL DEFAULT '';
-- Labels its enrolment stamps on it, also in agent_description.labels; NULL = none.
ALTER TABLE agent ADD COLUMN stamped_labels jsonb;
-- True while nothing is offered on that connection.
ALTER TABLE agent ADD COLUMN withheld boolean NOT NULL DEFAULT false;

-- Who must reconnect once approved; nearly always empty.
CREATE INDEX agent_withheld ON agent (tenant_id, agent_uid) WHERE withheld;

-- NULL = any number.
ALTER TABLE enrolment_token ADD COLUMN max_uses bigint CHECK (max_uses > 0);
-- Counted only where max_uses sets a limit; else the rows of enrolment tell.
ALTER TABLE enrolment_token ADD COLUMN uses bigint NOT NULL DEFAULT 0;
ALTER TABLE enrolment_token ADD COLUMN cidrs text[] NOT NULL DEFAULT '{}';
-- Stamped on agents, `group` included.
ALTER TABLE enrolment_token ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';
ALTER TABLE enrolment_token ADD COLUMN requires_approval boolean NOT NULL DEFAULT false;
ALTER TABLE enrolment_token ADD COLUMN ephemeral_seconds bigint NOT NULL DEFAULT 0 CHECK (ephemeral_seconds >= 0);
ALTER TABLE enrolment_token ADD COLUMN issues text COLLATE "C" NOT NULL DEFAULT 'none'
    CHECK (issues IN ('none', 'bearer', 'jwt'));
-- 0 = as the settings say.
ALTER TABLE enrolment_token ADD COLUMN credential_lifetime_seconds bigint NOT NULL DEFAULT 0
    CHECK (credential_lifetime_seconds >= 0);

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
    PRIMARY KEY (tenant_id, agent_uid)
);

-- Who waits, and who must not come in; few.
CREATE INDEX agent_identity_barred ON agent_identity (tenant_id, approval, agent_uid) WHERE approval <> 'approved';
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
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX agent_credential_agent ON agent_credential (tenant_id, agent_uid, created_at, id);
-- Which are due to be renewed.
CREATE INDEX agent_credential_live ON agent_credential (expires_at) WHERE state IN ('candidate', 'current');
