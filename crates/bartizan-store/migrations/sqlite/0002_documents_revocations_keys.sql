-- Documents, revocations of tokens, and API keys. No column holds a key or a token.

-- With rowids, for a body may be as long as many pages.
CREATE TABLE document (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE revoked_token (
    digest BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_token_by_end ON revoked_token (until);

CREATE TABLE revoked_subject (
    subject TEXT NOT NULL PRIMARY KEY,
    -- What was issued before is revoked.
    before INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_subject_by_end ON revoked_subject (until);

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY,
    -- HMAC-SHA-256 of the secret, by the pepper that is called so.
    mac BLOB NOT NULL,
    pepper BLOB NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    -- A JSON array of texts.
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER,
    replaced_by BLOB,
    last_used INTEGER,
    -- The earlier of expires and revoked; the last time there is, where it has neither.
    ends INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- With the id, by which a listing of one owner goes on: it is in every index of a table without rowid.
CREATE INDEX api_key_by_owner ON api_key (owner);
CREATE INDEX api_key_by_end ON api_key (ends);

PRAGMA user_version = 2;
