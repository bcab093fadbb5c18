CREATE TABLE IF NOT EXISTS account (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password TEXT NOT NULL,
    scopes TEXT NOT NULL,
    balance BIGINT NOT NULL CHECK (balance >= 0)
);

CREATE TABLE IF NOT EXISTS preference (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    theme TEXT NOT NULL,
    language TEXT NOT NULL,
    newsletter BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS comment (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author BIGINT NOT NULL REFERENCES account (id),
    body TEXT NOT NULL,
    written BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS transfer (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender BIGINT NOT NULL REFERENCES account (id),
    recipient BIGINT NOT NULL REFERENCES account (id),
    amount BIGINT NOT NULL CHECK (amount > 0),
    made BIGINT NOT NULL
);
