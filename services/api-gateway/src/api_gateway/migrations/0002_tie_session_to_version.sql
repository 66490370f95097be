-- A session belongs to the session_version its login was checked against: with another one it is over, even if it was
-- written after the change that ended all others.

ALTER TABLE refresh_session ADD COLUMN session_version bigint;

UPDATE refresh_session s SET session_version = u.session_version
FROM user_account u WHERE u.tenant_id = s.tenant_id AND u.user_id = s.user_id;

ALTER TABLE refresh_session ALTER COLUMN session_version SET NOT NULL;
