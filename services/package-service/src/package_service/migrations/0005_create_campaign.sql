-- Upgrade campaigns: the agents of an assignment move from one version to another, stage by stage.

CREATE TABLE campaign (
    tenant_id          text        NOT NULL,
    campaign_id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    name               text        NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    -- No reference: what a campaign did is told even when its assignment is gone.
    assignment_id      uuid        NOT NULL,
    package            text        NOT NULL,
    from_version       text        NOT NULL CHECK (length(from_version) BETWEEN 1 AND 64),
    to_version         text        NOT NULL CHECK (length(to_version) BETWEEN 1 AND 64),
    -- In order: {"percent": n} or {"selector": {key: value}}.
    stages             jsonb       NOT NULL,
    max_in_flight      integer     NOT NULL CHECK (max_in_flight > 0),
    watch_seconds      integer     NOT NULL CHECK (watch_seconds >= 0),
    timeout_seconds    integer     NOT NULL CHECK (timeout_seconds > 0),
    -- {"percent": n} or {"count": n}
    failure_threshold  jsonb       NOT NULL,
    -- {"time_zone": …, "days": […], "from": "HH:MM", "to": "HH:MM"}; null = always open.
    opening            jsonb,
    rollback           boolean     NOT NULL,
    state              text        NOT NULL DEFAULT 'draft'
                       CHECK (state IN ('draft', 'running', 'paused', 'halted', 'completed', 'aborted')),
    -- Counted from 0.
    stage              integer     NOT NULL DEFAULT 0,
    stage_since        timestamptz,
    -- Failures are counted afresh in each; resuming after a halt begins the next.
    round              integer     NOT NULL DEFAULT 0,
    reason             text        NOT NULL DEFAULT '',
    revision           bigint      NOT NULL DEFAULT 1 CHECK (revision > 0),
    created_by         text        NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_by         text        NOT NULL,
    updated_at         timestamptz NOT NULL DEFAULT now(),
    started_at         timestamptz,
    ended_at           timestamptz,
    PRIMARY KEY (tenant_id, campaign_id)
);
CREATE INDEX campaign_created ON campaign (tenant_id, created_at, campaign_id);
-- One that lives per assignment: two would pull an agent to and fro.
CREATE UNIQUE INDEX campaign_living ON campaign (tenant_id, assignment_id)
    WHERE state IN ('running', 'paused', 'halted');

-- Every agent that was ever seen in a campaign.
CREATE TABLE campaign_agent (
    tenant_id     text        NOT NULL,
    campaign_id   uuid        NOT NULL,
    instance_uid  bytea       NOT NULL CHECK (length(instance_uid) = 16),
    state         text        NOT NULL CHECK (state IN ('waiting', 'admitted', 'watching', 'succeeded', 'failed',
                                                        'rolled_back', 'left_out')),
    since         timestamptz NOT NULL,
    -- It was admitted in; counted from 0.
    stage         integer,
    -- Of the campaign when it failed.
    round         integer     NOT NULL,
    error         text        NOT NULL,
    -- It was told to go back to the previous version.
    put_back      boolean     NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, instance_uid),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, campaign_id) ON DELETE CASCADE
);
CREATE INDEX campaign_agent_state ON campaign_agent (tenant_id, campaign_id, state);
