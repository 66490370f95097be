-- How many agents of a campaign are in which state, so that looking at campaigns reads no fleets, and so that it is
-- still known when the agents of a campaign that ended long ago are forgotten.

ALTER TABLE campaign ADD COLUMN agents jsonb NOT NULL DEFAULT '{}';

UPDATE campaign c SET agents = counted.agents
FROM (
    SELECT tenant_id, campaign_id, jsonb_object_agg(state, number) AS agents
    FROM (
        SELECT tenant_id, campaign_id, state, count(*) AS number FROM campaign_agent
        GROUP BY tenant_id, campaign_id, state
    ) AS states
    GROUP BY tenant_id, campaign_id
) AS counted
WHERE counted.tenant_id = c.tenant_id AND counted.campaign_id = c.campaign_id;
