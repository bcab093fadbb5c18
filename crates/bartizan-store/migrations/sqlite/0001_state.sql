-- Sessions, one-time tokens and rate limits. Times are in milliseconds since 1970, spans in milliseconds.
-- Keys and digests are SHA-256: nothing here lets anybody in.

-- "Brtz": whose file this is.
PRAGMA application_id = 1114797178;

CREATE TABLE session (
    key BLOB NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    -- A JSON array of texts.
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    idle INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    -- The earlier of expires and touched + idle.
    ends INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- With the key, by which a listing of one subject goes on: it is in every index of a table without rowid.
CREATE INDEX session_by_subject ON session (subject);
CREATE INDEX session_by_end ON session (ends);

CREATE TABLE token (
    digest BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_end ON token (until);

-- No index by time: each request would write it too. Pruning goes through the keys.
CREATE TABLE bucket (
    key BLOB NOT NULL PRIMARY KEY,
    -- The theoretical arrival time, in microseconds since 1970.
    tat INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
