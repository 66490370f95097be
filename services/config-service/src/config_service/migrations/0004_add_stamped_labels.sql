-- Labels its enrolment stamps on the agent; also in `labels`, where they win.
ALTER TABLE agent_target ADD COLUMN stamped_labels jsonb NOT NULL DEFAULT '{}';
-- While true the agent waits for approval, and nothing is offered to it.
ALTER TABLE agent_target ADD COLUMN withheld boolean NOT NULL DEFAULT false;
