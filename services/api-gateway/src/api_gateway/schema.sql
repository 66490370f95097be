-- The whole truth about api-gateway's own tables; tests/integration/api_gateway compares it with the migrations.
--
-- Accounts, what they may do where, and their sessions. No fleet data.

CREATE TABLE tenant (
    tenant_id   text COLLATE "C" PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

INSERT INTO tenant (tenant_id, name) VALUES ('default', 'Default');

CREATE TABLE user_account (
    tenant_id        text COLLATE "C" NOT NULL REFERENCES tenant,
    user_id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    username         text COLLATE "C" NOT NULL CHECK (char_length(username) BETWEEN 1 AND 254),
    email            text COLLATE "C" NOT NULL DEFAULT '',
    password_hash    text        NOT NULL,
    is_active        boolean     NOT NULL DEFAULT true,
    -- Counts up whenever every session must end: disabled, new password.
    session_version  bigint      NOT NULL DEFAULT 1,
    last_login_at    timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);

CREATE UNIQUE INDEX user_account_username ON user_account (tenant_id, lower(username));
CREATE UNIQUE INDEX user_account_email ON user_account (tenant_id, lower(email)) WHERE email <> '';

CREATE TABLE role_binding (
    tenant_id   text COLLATE "C" NOT NULL,
    user_id     uuid        NOT NULL,
    role        text        NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES user_account ON DELETE CASCADE
);

-- One row per refresh token; tokens that came out of one login form a family.
CREATE TABLE refresh_session (
    tenant_id       text COLLATE "C" NOT NULL,
    token_id        uuid        NOT NULL,
    family_id       uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    token_hash      bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
    remote_address  text        NOT NULL DEFAULT '',
    user_agent      text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    -- Used up: showing it again revokes the family.
    used_at         timestamptz,
    revoked_at      timestamptz,
    -- Of the account when it logged in; with another one the session is over.
    session_version bigint      NOT NULL,
    PRIMARY KEY (tenant_id, token_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES user_account ON DELETE CASCADE
);

-- At most one token of a family is live: unused, not revoked.
CREATE INDEX refresh_session_live ON refresh_session (tenant_id, family_id) WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX refresh_session_user ON refresh_session (tenant_id, user_id) WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX refresh_session_expiry ON refresh_session (expires_at);
