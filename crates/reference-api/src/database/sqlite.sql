CREATE TABLE IF NOT EXISTS account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password TEXT NOT NULL,
    scopes TEXT NOT NULL,
    balance INTEGER NOT NULL CHECK (balance >= 0)
) STRICT;

CREATE TABLE IF NOT EXISTS preference (
    account INTEGER PRIMARY KEY REFERENCES account (id),
    theme TEXT NOT NULL,
    language TEXT NOT NULL,
    newsletter INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS comment (
    id INTEGER PRIMARY KEY,
    author INTEGER NOT NULL REFERENCES account (id),
    body TEXT NOT NULL,
    written INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS transfer (
    id INTEGER PRIMARY KEY,
    sender INTEGER NOT NULL REFERENCES account (id),
    recipient INTEGER NOT NULL REFERENCES account (id),
    amount INTEGER NOT NULL CHECK (amount > 0),
    made INTEGER NOT NULL
) STRICT;
