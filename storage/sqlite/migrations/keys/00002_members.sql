-- +goose Up

CREATE TABLE members (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    email        TEXT NOT NULL,
    role         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('invited', 'active', 'inactive', 'removed')),
    identity     TEXT,
    invite       BLOB CHECK (length(invite) = 32),
    created_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    mac          BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;
CREATE INDEX members_of ON members (organization, id);
CREATE UNIQUE INDEX members_email    ON members (email)    WHERE state <> 'removed';
CREATE UNIQUE INDEX members_identity ON members (identity) WHERE state <> 'removed' AND identity IS NOT NULL;
CREATE UNIQUE INDEX members_invite   ON members (invite)   WHERE state <> 'removed' AND invite IS NOT NULL;

-- +goose StatementBegin
CREATE TRIGGER members_removed_stays BEFORE UPDATE OF state ON members
WHEN OLD.state = 'removed' AND NEW.state <> 'removed'
BEGIN
    SELECT RAISE(ABORT, 'removed is terminal');
END;
-- +goose StatementEnd

CREATE TABLE sessions (
    row     INTEGER PRIMARY KEY,
    token   BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
    data    BLOB NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_end ON sessions (ends_at);

-- Who answers for a key. It stands in detail as well, under the MAC.
ALTER TABLE keys ADD COLUMN owned_by BLOB CHECK (length(owned_by) = 16);
CREATE INDEX keys_by_owner ON keys (owned_by) WHERE owned_by IS NOT NULL;
