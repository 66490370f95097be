-- What the sweeps over identities look things up by.

-- An agent let in a moment ago is not forgotten although it is not connected yet.
ALTER TABLE agent_identity ADD COLUMN admitted_at timestamptz NOT NULL DEFAULT now();

-- Two thirds of its life are over then.
ALTER TABLE agent_credential ADD COLUMN renew_at timestamptz NOT NULL DEFAULT 'infinity';

DROP INDEX agent_credential_live;
-- Which are due to be renewed.
CREATE INDEX agent_credential_due ON agent_credential (renew_at) WHERE state IN ('candidate', 'current');
-- Whose connections must be closed.
CREATE INDEX agent_credential_revoked ON agent_credential (tenant_id, agent_uid, id) WHERE state = 'revoked';
