-- A restored database may count connections from below numbers that are already known elsewhere.

-- Lets the sequence stand at `seen` or above and returns where it stands; never lowers it.
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
