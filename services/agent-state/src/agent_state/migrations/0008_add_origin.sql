-- The first id of an agent that was given others: how many of them there may be is counted, and whoever is revoked
-- takes along those that came of it.
ALTER TABLE agent_identity ADD COLUMN origin_uid bytea;
UPDATE agent_identity SET origin_uid = former_uid WHERE former_uid IS NOT NULL;

CREATE INDEX agent_identity_origin ON agent_identity (tenant_id, origin_uid) WHERE origin_uid IS NOT NULL;
