-- +goose Up

-- One row of what engines must know about themselves. keys is how many rows
-- the table keys has: damage that hides rows is found by counting them.
CREATE TABLE census (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL,
    keys     INTEGER NOT NULL
) STRICT;
INSERT INTO census VALUES (1, 0, 0);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE organizations (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT NOT NULL,
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    mac        BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE TABLE projects (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    name         TEXT NOT NULL,
    is_default   INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    deleted_at   INTEGER,
    created_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    mac          BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;
CREATE INDEX projects_of ON projects (organization, id);
CREATE UNIQUE INDEX projects_default ON projects (organization) WHERE is_default = 1 AND deleted_at IS NULL;

-- Absent ids, digests, texts and times are NULL. Wide columns stand last, so
-- that what is loaded at every start is found without reading past them.
CREATE TABLE keys (
    row                 INTEGER PRIMARY KEY,
    id                  BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    organization        BLOB NOT NULL CHECK (length(organization) = 16),
    project             BLOB CHECK (length(project) = 16),
    digest              BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    previous_digest     BLOB CHECK (length(previous_digest) = 32),
    pepper_id           INTEGER NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('active', 'inactive', 'revoked')),
    hint                TEXT NOT NULL,
    name                TEXT NOT NULL,
    external_id         TEXT,
    scopes              TEXT NOT NULL,
    policy              TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    not_before          INTEGER,
    previous_expires_at INTEGER,
    revoked_at          INTEGER,
    version             INTEGER NOT NULL,
    mac                 BLOB NOT NULL CHECK (length(mac) = 32),
    detail              TEXT NOT NULL,
    search              TEXT NOT NULL,
    gone                INTEGER NOT NULL GENERATED ALWAYS AS (state = 'revoked') VIRTUAL
) STRICT;

-- A list walks one of these, revoked keys apart, so that a page costs the same
-- at any depth and however many keys were revoked.
CREATE INDEX keys_of_organization_by_created ON keys (organization, gone, created_at, id);
CREATE INDEX keys_of_organization_by_name    ON keys (organization, gone, name, id);
CREATE INDEX keys_of_organization_by_expiry  ON keys (organization, gone, expires_at, id);
CREATE INDEX keys_of_organization_by_id      ON keys (organization, gone, id);
CREATE INDEX keys_of_project_by_created      ON keys (project, gone, created_at, id);
CREATE INDEX keys_of_project_by_name         ON keys (project, gone, name, id);
CREATE INDEX keys_of_project_by_expiry       ON keys (project, gone, expires_at, id);
CREATE INDEX keys_of_project_by_id           ON keys (project, gone, id);
CREATE INDEX keys_by_external_id ON keys (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX keys_by_expiry      ON keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX keys_by_revocation  ON keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX keys_admin ON keys (organization)
    WHERE project IS NULL AND state = 'active' AND expires_at IS NULL;
CREATE UNIQUE INDEX keys_previous_digest ON keys (previous_digest) WHERE previous_digest IS NOT NULL;

-- +goose StatementBegin
CREATE TRIGGER keys_digests_inserted BEFORE INSERT ON keys
WHEN NEW.previous_digest = NEW.digest
    OR EXISTS (SELECT 1 FROM keys WHERE previous_digest = NEW.digest)
    OR EXISTS (SELECT 1 FROM keys WHERE digest = NEW.previous_digest)
BEGIN
    SELECT RAISE(ABORT, 'digest taken');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER keys_digests_updated BEFORE UPDATE OF digest, previous_digest ON keys
WHEN NEW.previous_digest = NEW.digest
    OR EXISTS (SELECT 1 FROM keys WHERE previous_digest = NEW.digest AND row <> OLD.row)
    OR EXISTS (SELECT 1 FROM keys WHERE digest = NEW.previous_digest AND row <> OLD.row)
BEGIN
    SELECT RAISE(ABORT, 'digest taken');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER keys_revoked_stays BEFORE UPDATE OF state ON keys
WHEN OLD.state = 'revoked' AND NEW.state <> 'revoked'
BEGIN
    SELECT RAISE(ABORT, 'revoked is terminal');
END;
-- +goose StatementEnd

-- How many keys of a project are not revoked, so that a ceiling of a million
-- keys is judged as fast as one of twenty.
CREATE TABLE populations (
    project BLOB NOT NULL PRIMARY KEY CHECK (length(project) = 16),
    living  INTEGER NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER populations_born AFTER INSERT ON keys
WHEN NEW.project IS NOT NULL AND NEW.state <> 'revoked'
BEGIN
    INSERT INTO populations VALUES (NEW.project, 1) ON CONFLICT (project) DO UPDATE SET living = living + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER populations_left AFTER UPDATE OF state, project ON keys
WHEN OLD.project IS NOT NULL AND OLD.state <> 'revoked' AND (NEW.state = 'revoked' OR NEW.project IS NOT OLD.project)
BEGIN
    UPDATE populations SET living = living - 1 WHERE project = OLD.project;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER populations_came AFTER UPDATE OF state, project ON keys
WHEN NEW.project IS NOT NULL AND NEW.state <> 'revoked' AND NEW.project IS NOT OLD.project
BEGIN
    INSERT INTO populations VALUES (NEW.project, 1) ON CONFLICT (project) DO UPDATE SET living = living + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER keys_stay BEFORE DELETE ON keys
BEGIN
    SELECT RAISE(ABORT, 'keys are revoked, not deleted');
END;
-- +goose StatementEnd

CREATE TABLE idempotency (
    row         INTEGER PRIMARY KEY,
    actor       TEXT NOT NULL,
    route       TEXT NOT NULL,
    key         BLOB NOT NULL CHECK (length(key) = 32),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    result      TEXT NOT NULL,
    ends_at     INTEGER NOT NULL,
    UNIQUE (actor, route, key)
) STRICT;
CREATE INDEX idempotency_ends ON idempotency (ends_at);

CREATE TABLE audit (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    at           INTEGER NOT NULL,
    organization BLOB,
    project      BLOB,
    actor_kind   TEXT NOT NULL,
    actor        TEXT NOT NULL,
    action       TEXT NOT NULL,
    target_kind  TEXT NOT NULL,
    target       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    count        INTEGER NOT NULL,
    changes      TEXT NOT NULL,
    request_id   TEXT NOT NULL,
    client_ip    TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_organization ON audit (organization);
CREATE INDEX audit_of_actor ON audit (actor);
CREATE INDEX audit_of_target ON audit (target);

-- +goose StatementBegin
CREATE TRIGGER audit_stays_as_written BEFORE UPDATE OF seq, id, at, organization,
    project, actor_kind, actor, action, target_kind, target, outcome, changes,
    request_id, client_ip ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not edited');
END;
-- +goose StatementEnd

-- Denied attempts are counted in the record of their minute.
-- +goose StatementBegin
CREATE TRIGGER audit_only_counts_denials BEFORE UPDATE OF count ON audit
WHEN OLD.outcome <> 'denied' OR NEW.count <= OLD.count
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not edited');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not shortened');
END;
-- +goose StatementEnd
