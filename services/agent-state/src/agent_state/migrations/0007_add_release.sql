-- An agent belongs to the token that enrolled it, and to its own credentials.

-- Since when a person has let go of it: whichever token it shows next may enrol it anew.
ALTER TABLE agent_identity ADD COLUMN released_at timestamptz;

-- Whose are agents that a shared token must not speak for.
CREATE INDEX agent_identity_token ON agent_identity (tenant_id, enrolment_token_id) WHERE enrolment_token_id <> '';
