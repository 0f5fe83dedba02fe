-- +goose Up

-- What happened, in the order of the commits. A seq is never given twice, also
-- after the newest were dropped. project is NULL for what is of the organization
-- as a whole; sent_to names webhooks.
CREATE TABLE events (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    at           INTEGER NOT NULL,
    type         TEXT NOT NULL,
    organization BLOB,
    project      BLOB,
    target_kind  TEXT NOT NULL,
    target       TEXT NOT NULL,
    version      INTEGER NOT NULL,
    data         TEXT NOT NULL,
    sent_to      TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_organization ON events (organization);
CREATE INDEX events_of_target ON events (target);

-- +goose StatementBegin
CREATE TRIGGER events_stay_as_written BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are not edited');
END;
-- +goose StatementEnd

-- Where organizations want to hear of events. Secrets in detail are encrypted.
CREATE TABLE webhooks (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    url          TEXT NOT NULL,
    format       TEXT NOT NULL,
    events       TEXT NOT NULL,
    active       INTEGER NOT NULL,
    stopped      TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    mac          BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_of_organization ON webhooks (organization, id);

-- Each event on its way to each webhook. One outlives its webhook, until it is
-- as old as those that are dropped.
CREATE TABLE deliveries (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    webhook    BLOB NOT NULL CHECK (length(webhook) = 16),
    event      BLOB NOT NULL CHECK (length(event) = 16),
    event_type TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    status     INTEGER NOT NULL,
    took_ms    INTEGER NOT NULL,
    error      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    UNIQUE (webhook, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_of_webhook ON deliveries (webhook, id);
CREATE INDEX deliveries_made ON deliveries (created_at);
CREATE INDEX deliveries_due ON deliveries (next_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_done ON deliveries (webhook, last_at) WHERE state = 'delivered';
