-- +goose Up

-- What shall be told of. project and key are NULL where a rule is not bound to one.
CREATE TABLE alert_rules (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    project      BLOB,
    key          BLOB,
    kind         TEXT NOT NULL,
    active       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    deleted_at   INTEGER,
    version      INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    mac          BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_rules_of_organization ON alert_rules (organization, id);

-- What was told. ended_at is NULL while it lasts.
CREATE TABLE alerts (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    project      BLOB,
    key          BLOB,
    rule         BLOB NOT NULL CHECK (length(rule) = 16),
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    state        TEXT NOT NULL,
    opened_at    INTEGER NOT NULL,
    ended_at     INTEGER,
    version      INTEGER NOT NULL,
    detail       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_of_organization ON alerts (organization, id);
CREATE INDEX alerts_of_key ON alerts (key, id) WHERE key IS NOT NULL;
CREATE INDEX alerts_of_subject ON alerts (rule, subject, id);
CREATE INDEX alerts_that_last ON alerts (id) WHERE ended_at IS NULL;
CREATE INDEX alerts_ended ON alerts (ended_at) WHERE ended_at IS NOT NULL;

-- Where each key was used from, cut so that few are distinct.
CREATE TABLE origins (
    key      BLOB NOT NULL CHECK (length(key) = 16),
    kind     TEXT NOT NULL,
    value    TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    PRIMARY KEY (key, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX origins_by_time ON origins (first_at, key, kind, value);
