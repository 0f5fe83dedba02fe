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
