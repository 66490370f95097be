-- What the sweeps over connections and credentials look things up by.

-- Which connections a token or credential opened.
CREATE INDEX agent_by_credential ON agent (tenant_id, credential_id) WHERE link = 'connected';
-- Whose connections must be closed when a newer credential has been in use for a while, or time has run out.
CREATE INDEX agent_credential_ended ON agent_credential (ended_at) WHERE state = 'superseded';
CREATE INDEX agent_credential_expiry ON agent_credential (expires_at) WHERE state IN ('candidate', 'current');
