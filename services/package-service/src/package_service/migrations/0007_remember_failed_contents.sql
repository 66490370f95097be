-- What failed on an agent is remembered by the SHA-256 of the file, not by the hash of the offer: the same bytes, signed
-- anew or fetched elsewhere, are no other chance. And it outlives the agent's standing with the package.

ALTER TABLE agent_package ADD COLUMN content_hash bytea NOT NULL DEFAULT '';
UPDATE agent_package p SET content_hash = f.sha256 FROM package_file f
WHERE f.tenant_id = p.tenant_id AND f.file_id = p.file_id;
UPDATE agent_package SET failed_hashes = CASE WHEN state IN ('failed', 'rolled_back') THEN content_hash ELSE '' END
WHERE failed_hashes <> '';

-- By package that the agent should not have now: contents that failed, in hexadecimal digits.
ALTER TABLE package_target ADD COLUMN failed jsonb NOT NULL DEFAULT '{}';
