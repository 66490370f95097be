-- What the assignment was when its campaign was started or last resumed: any other revision holds the campaign.

ALTER TABLE campaign ADD COLUMN assignment_revision bigint NOT NULL DEFAULT 0;
