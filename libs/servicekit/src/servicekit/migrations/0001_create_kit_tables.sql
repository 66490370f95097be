-- What the kit needs in every service's schema.

CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id    text        NOT NULL UNIQUE,
    subject       text        NOT NULL,
    payload       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    published_at  timestamptz,
    stream_seq    bigint
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- The stream the outbox was last published to: a smaller last_seq or another created means it was lost.
CREATE TABLE outbox_stream (
    stream    text   PRIMARY KEY,
    created   text   NOT NULL,
    last_seq  bigint NOT NULL
);

-- How far each partition of a consumed stream has been applied, moved in the transaction of the effect.
CREATE TABLE consumer_offset (
    consumer      text   NOT NULL,
    partition     int    NOT NULL,
    stream_epoch  text   NOT NULL,
    seq           bigint NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, partition, stream_epoch)
);

-- Messages that cannot be applied, whole, for people.
CREATE TABLE dead_letter (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text        NOT NULL,
    subject     text        NOT NULL,
    stream_seq  bigint      NOT NULL,
    payload     bytea       NOT NULL,
    error       text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
