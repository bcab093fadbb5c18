-- What is kept of documents, revocations of tokens, and API keys. Times are in milliseconds since 1970. No column holds a
-- key or a token.

CREATE TABLE bartizan.documents (
    name    TEXT PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version > 0),
    body    BYTEA NOT NULL CHECK (octet_length(body) <= 262144)
);

CREATE TABLE bartizan.revoked_tokens (
    jti   BYTEA PRIMARY KEY CHECK (octet_length(jti) = 32),
    until BIGINT NOT NULL CHECK (until >= 0)
);
CREATE INDEX revoked_tokens_by_end ON bartizan.revoked_tokens (until);

-- By the digest, because an index holds nothing longer than 2704 bytes.
CREATE TABLE bartizan.revoked_subjects (
    digest  BYTEA PRIMARY KEY CHECK (digest = sha256(subject)),
    subject BYTEA NOT NULL,
    before  BIGINT NOT NULL CHECK (before >= 0),
    until   BIGINT NOT NULL CHECK (until >= 0)
);
COMMENT ON COLUMN bartizan.revoked_subjects.subject IS 'Whose tokens: convert_from(subject, ''UTF8'')';
COMMENT ON COLUMN bartizan.revoked_subjects.before IS 'What was issued before is revoked';
CREATE INDEX revoked_subjects_by_end ON bartizan.revoked_subjects (until);

CREATE TABLE bartizan.api_keys (
    id          BYTEA PRIMARY KEY CHECK (octet_length(id) = 16),
    mac         BYTEA NOT NULL CHECK (octet_length(mac) = 32),
    pepper      BYTEA NOT NULL CHECK (octet_length(pepper) = 8),
    owner       BYTEA NOT NULL,
    name        BYTEA NOT NULL,
    scopes      BYTEA[] NOT NULL,
    created     BIGINT NOT NULL CHECK (created >= 0),
    expires     BIGINT CHECK (expires >= 0),
    revoked     BIGINT CHECK (revoked >= 0),
    replaced_by BYTEA CHECK (octet_length(replaced_by) = 16),
    last_used   BIGINT CHECK (last_used >= 0),
    ends        BIGINT NOT NULL CHECK (ends >= 0)
);
COMMENT ON COLUMN bartizan.api_keys.mac IS 'HMAC-SHA-256 of the secret, by the pepper';
COMMENT ON COLUMN bartizan.api_keys.pepper IS 'What the pepper is called; it is derived from a master key';
COMMENT ON COLUMN bartizan.api_keys.owner IS 'Whose it is: convert_from(owner, ''UTF8'')';
COMMENT ON COLUMN bartizan.api_keys.ends IS 'The earlier one of expires and revoked, or the last time there is';
CREATE INDEX api_keys_of_owner ON bartizan.api_keys (sha256(owner), id);
CREATE INDEX api_keys_by_end ON bartizan.api_keys (ends);
