-- What is kept of sessions, one-time tokens and rate limits. Times are in milliseconds since 1970, but for those of
-- `limits`, which are in microseconds. No column holds anything that lets its reader in.

CREATE TABLE bartizan.sessions (
    key     BYTEA PRIMARY KEY CHECK (octet_length(key) = 32),
    -- Bytes, not text: a subject may hold what the database's encoding has not, and how bytes are ordered never
    -- changes with the operating system.
    subject BYTEA NOT NULL,
    scopes  BYTEA[] NOT NULL,
    created BIGINT NOT NULL CHECK (created >= 0),
    touched BIGINT NOT NULL CHECK (touched >= 0),
    idle    BIGINT NOT NULL CHECK (idle >= 0),
    expires BIGINT NOT NULL CHECK (expires >= 0),
    ends    BIGINT NOT NULL CHECK (ends >= 0)
);
COMMENT ON COLUMN bartizan.sessions.key IS 'The SHA-256 of the session id';
COMMENT ON COLUMN bartizan.sessions.subject IS 'Whose it is: convert_from(subject, ''UTF8'')';
COMMENT ON COLUMN bartizan.sessions.ends IS 'The earlier one of expires and touched + idle';

-- By the digest, because an index holds nothing longer than 2704 bytes.
CREATE INDEX sessions_of_subject ON bartizan.sessions (sha256(subject), key);
CREATE INDEX sessions_by_end ON bartizan.sessions (ends);

CREATE TABLE bartizan.used_tokens (
    token BYTEA PRIMARY KEY CHECK (octet_length(token) = 32),
    until BIGINT NOT NULL CHECK (until >= 0)
);
CREATE INDEX used_tokens_by_end ON bartizan.used_tokens (until);

-- A bucket is written to by every request that it counts. A row's new version stays on its page, and out of the
-- indexes, as long as there is room on the page and no indexed column changes: hence the fill factor, and an end in
-- whole minutes for those that prune.
CREATE TABLE bartizan.limits (
    key    BYTEA PRIMARY KEY CHECK (octet_length(key) = 24),
    tat    BIGINT NOT NULL CHECK (tat >= 0),
    before BIGINT NOT NULL CHECK (before >= 0),
    minute BIGINT NOT NULL CHECK (minute >= 0)
) WITH (fillfactor = 50);
COMMENT ON COLUMN bartizan.limits.tat IS 'The theoretical arrival time: when the bucket is empty again';
COMMENT ON COLUMN bartizan.limits.before IS 'What it was before the last request';
COMMENT ON COLUMN bartizan.limits.minute IS 'The tat in whole minutes';
CREATE INDEX limits_by_end ON bartizan.limits (minute);
