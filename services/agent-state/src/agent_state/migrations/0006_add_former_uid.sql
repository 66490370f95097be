-- The id an agent had before the platform gave it another one: the credential of that id lets it in until it has its
-- own.
ALTER TABLE agent_identity ADD COLUMN former_uid bytea;
