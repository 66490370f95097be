-- Files that arrive: what is stored of them so far survives every crash, and nothing of it is visible.

CREATE TABLE upload (
    tenant_id     text        NOT NULL,
    upload_id     uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- Empty while a form has not told yet what its file is.
    name          text        NOT NULL DEFAULT '',
    version       text        NOT NULL DEFAULT '',
    platform      text        NOT NULL DEFAULT '',
    arch          text        NOT NULL DEFAULT '',
    type          text        NOT NULL DEFAULT '',
    description   text        NOT NULL DEFAULT '',
    -- 0: not known before its end.
    size          bigint      NOT NULL CHECK (size >= 0),
    sha256        bytea       CHECK (length(sha256) = 32),
    part_bytes    integer     NOT NULL CHECK (part_bytes > 0),
    stored        bigint      NOT NULL DEFAULT 0,
    parts         integer     NOT NULL DEFAULT 0,
    multipart_id  text        NOT NULL DEFAULT '',
    -- Set when it was published; the row stays a while, so that completing again finds it.
    file_id       uuid,
    created_by    text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, upload_id)
);
CREATE INDEX upload_idle ON upload (updated_at);

CREATE TABLE upload_part (
    tenant_id  text    NOT NULL,
    upload_id  uuid    NOT NULL,
    number     integer NOT NULL CHECK (number > 0),
    size       bigint  NOT NULL CHECK (size > 0),
    etag       text    NOT NULL,
    PRIMARY KEY (tenant_id, upload_id, number),
    FOREIGN KEY (tenant_id, upload_id) REFERENCES upload (tenant_id, upload_id) ON DELETE CASCADE
);
