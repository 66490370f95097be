-- Contents that reached the agent on its present connection though it should not run them.
ALTER TABLE agent_target ADD COLUMN stray_hashes bytea NOT NULL DEFAULT '';

-- What changed of late is announced to the registry again.
CREATE INDEX agent_target_generation ON agent_target (generation);
