-- Deleted agents, for as long as facts about them may still be under way: those must not bring them back.

CREATE TABLE package_grave (
    tenant_id     text        NOT NULL,
    instance_uid  bytea       NOT NULL CHECK (length(instance_uid) = 16),
    -- Up to this connection nothing it said counts.
    epoch         bigint      NOT NULL,
    deleted_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, instance_uid)
);
CREATE INDEX package_grave_deleted ON package_grave (deleted_at);
