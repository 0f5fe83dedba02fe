-- +goose Up

-- Texts are compared by their bytes, whatever the database's language is. What
-- strangers choose every byte of (a browser's name of itself) is bytea: a text
-- takes neither zero bytes nor what is no UTF-8. Absent ids and digests are
-- NULL; absent times are 0, so that a list walks the keys without one as one
-- range of an index.

-- The row that every change locks first: its order is the order of changes.
-- mark is drawn anew for each revision, and tells a history from another.
CREATE TABLE head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    revision BIGINT NOT NULL,
    mark     UUID NOT NULL
);

-- What each revision changed. Nodes read the rows of these ids, as they are by
-- then.
CREATE TABLE changes (
    revision      BIGINT PRIMARY KEY,
    mark          UUID NOT NULL,
    at            TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    keys          UUID[] NOT NULL DEFAULT '{}',
    projects      UUID[] NOT NULL DEFAULT '{}',
    organizations UUID[] NOT NULL DEFAULT '{}',
    members       UUID[] NOT NULL DEFAULT '{}'
);
INSERT INTO head VALUES (1, 0, gen_random_uuid());
INSERT INTO changes (revision, mark) SELECT revision, mark FROM head;

CREATE TABLE nodes (
    incarnation UUID PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('joining', 'active', 'fenced')),
    applied     BIGINT NOT NULL,
    renewals    BIGINT NOT NULL,
    lease       BIGINT NOT NULL, -- nanoseconds
    version     TEXT COLLATE "C" NOT NULL,
    seen_at     BIGINT NOT NULL, -- Unix milliseconds, as fenced_at
    fenced_at   BIGINT NOT NULL
);

-- The latest time that a renewal was told, in Unix milliseconds: the database's
-- clock may be set back, time does not go back.
CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    now BIGINT NOT NULL
);
INSERT INTO clock VALUES (1, 0);

CREATE TABLE meta (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE organizations (
    id         UUID PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    active     BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    mac        BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE TABLE projects (
    id           UUID PRIMARY KEY,
    organization UUID NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    is_default   BOOLEAN NOT NULL,
    deleted_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    detail       TEXT COLLATE "C" NOT NULL,
    mac          BYTEA NOT NULL CHECK (length(mac) = 32)
);
CREATE INDEX projects_of ON projects (organization, id);
CREATE UNIQUE INDEX projects_default ON projects (organization) WHERE is_default AND deleted_at = 0;

CREATE TABLE keys (
    id                  UUID PRIMARY KEY,
    organization        UUID NOT NULL,
    project             UUID,
    digest              BYTEA NOT NULL CHECK (length(digest) = 32),
    previous_digest     BYTEA CHECK (length(previous_digest) = 32 AND previous_digest <> digest),
    pepper_id           BIGINT NOT NULL,
    state               TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'inactive', 'revoked')),
    hint                TEXT COLLATE "C" NOT NULL,
    name                TEXT COLLATE "C" NOT NULL,
    external_id         TEXT COLLATE "C" NOT NULL,
    scopes              TEXT COLLATE "C" NOT NULL,
    policy              TEXT COLLATE "C" NOT NULL,
    created_at          BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    not_before          BIGINT NOT NULL,
    previous_expires_at BIGINT NOT NULL,
    revoked_at          BIGINT NOT NULL,
    version             BIGINT NOT NULL,
    mac                 BYTEA NOT NULL CHECK (length(mac) = 32),
    owned_by            UUID,
    gone                SMALLINT NOT NULL GENERATED ALWAYS AS (CASE WHEN state = 'revoked' THEN 1 ELSE 0 END) STORED,
    detail              TEXT COLLATE "C" NOT NULL,
    search              TEXT COLLATE "C" NOT NULL
);

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
CREATE INDEX keys_by_external_id ON keys (external_id) WHERE external_id <> '';
CREATE INDEX keys_by_owner       ON keys (owned_by) WHERE owned_by IS NOT NULL;
CREATE INDEX keys_by_expiry      ON keys (expires_at) WHERE expires_at <> 0;
CREATE INDEX keys_admin ON keys (organization) WHERE project IS NULL AND state = 'active' AND expires_at = 0;
CREATE UNIQUE INDEX keys_digest          ON keys (digest);
CREATE UNIQUE INDEX keys_previous_digest ON keys (previous_digest) WHERE previous_digest IS NOT NULL;

-- How many keys of a project are not revoked, so that a ceiling of a million
-- keys is judged as fast as one of twenty.
CREATE TABLE populations (
    project UUID PRIMARY KEY,
    living  BIGINT NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION keys_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = 'revoked' AND NEW.state <> 'revoked' THEN
            RAISE EXCEPTION 'revoked is terminal' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF OLD.gone = NEW.gone AND OLD.project IS NOT DISTINCT FROM NEW.project THEN
            RETURN NULL;
        END IF;
        IF OLD.gone = 0 AND OLD.project IS NOT NULL THEN
            UPDATE populations SET living = living - 1 WHERE project = OLD.project;
        END IF;
    END IF;
    IF NEW.gone = 0 AND NEW.project IS NOT NULL THEN
        INSERT INTO populations VALUES (NEW.project, 1) ON CONFLICT (project) DO UPDATE SET living = populations.living + 1;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER keys_counted AFTER INSERT OR UPDATE OF state, project ON keys
    FOR EACH ROW EXECUTE FUNCTION keys_counted();

-- +goose StatementBegin
CREATE FUNCTION forbidden() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER keys_stay BEFORE DELETE ON keys
    FOR EACH ROW EXECUTE FUNCTION forbidden('keys are revoked, not deleted');
CREATE TRIGGER keys_stay_all BEFORE TRUNCATE ON keys
    FOR EACH STATEMENT EXECUTE FUNCTION forbidden('keys are revoked, not deleted');

CREATE TABLE members (
    id           UUID PRIMARY KEY,
    organization UUID NOT NULL,
    email        TEXT COLLATE "C" NOT NULL,
    role         TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('invited', 'active', 'inactive', 'removed')),
    identity     TEXT COLLATE "C" NOT NULL,
    invite       BYTEA CHECK (length(invite) = 32),
    created_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    detail       TEXT COLLATE "C" NOT NULL,
    mac          BYTEA NOT NULL CHECK (length(mac) = 32)
);
CREATE INDEX members_of ON members (organization, id);
CREATE UNIQUE INDEX members_email    ON members (email)    WHERE state <> 'removed';
CREATE UNIQUE INDEX members_identity ON members (identity) WHERE state <> 'removed' AND identity <> '';
CREATE UNIQUE INDEX members_invite   ON members (invite)   WHERE state <> 'removed' AND invite IS NOT NULL;
CREATE TRIGGER members_removed_stays BEFORE UPDATE OF state ON members FOR EACH ROW
    WHEN (OLD.state = 'removed' AND NEW.state <> 'removed') EXECUTE FUNCTION forbidden('removed is terminal');

CREATE TABLE sessions (
    token   BYTEA PRIMARY KEY CHECK (length(token) = 32),
    data    BYTEA NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_end ON sessions (ends_at);

-- How much of each quota was handed out in its latest period. ends is 0 where
-- there is no end. lent is what processes may hold unspent.
CREATE TABLE quotas (
    id     BYTEA PRIMARY KEY CHECK (length(id) = 32),
    period BIGINT NOT NULL,
    ends   BIGINT NOT NULL,
    taken  BIGINT NOT NULL CHECK (taken >= 0),
    lent   BIGINT NOT NULL CHECK (lent BETWEEN 0 AND taken)
);
CREATE INDEX quotas_lent ON quotas (id, ends, lent) WHERE lent > 0;

CREATE TABLE idempotency (
    actor       TEXT COLLATE "C" NOT NULL,
    route       BYTEA NOT NULL,
    key         BYTEA NOT NULL CHECK (length(key) = 32),
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 32),
    result      TEXT COLLATE "C" NOT NULL,
    ends_at     BIGINT NOT NULL,
    PRIMARY KEY (actor, route, key)
);
CREATE INDEX idempotency_ends ON idempotency (ends_at);

-- seq is drawn under the lock of head, so its order is that of the commits.
CREATE TABLE audit (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           UUID NOT NULL UNIQUE,
    at           BIGINT NOT NULL,
    organization UUID,
    project      UUID,
    actor_kind   TEXT COLLATE "C" NOT NULL,
    actor        TEXT COLLATE "C" NOT NULL,
    action       TEXT COLLATE "C" NOT NULL,
    target_kind  TEXT COLLATE "C" NOT NULL,
    target       TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    count        BIGINT NOT NULL,
    changes      TEXT COLLATE "C" NOT NULL,
    request_id   BYTEA NOT NULL,
    client_ip    BYTEA NOT NULL
);
CREATE INDEX audit_of_organization ON audit (organization, seq);
CREATE INDEX audit_of_actor ON audit (actor, seq);
CREATE INDEX audit_of_target ON audit (target, seq);

-- Denied attempts are counted in the record of their minute; nothing else changes.
-- +goose StatementBegin
CREATE FUNCTION audit_only_counts_denials() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome <> 'denied' OR NEW.count <= OLD.count
        OR (to_jsonb(OLD) - 'count') IS DISTINCT FROM (to_jsonb(NEW) - 'count') THEN
        RAISE EXCEPTION 'the audit log is not edited' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_only_counts_denials BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_only_counts_denials();
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION forbidden('the audit log is not shortened');
CREATE TRIGGER audit_stays_all BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION forbidden('the audit log is not shortened');

-- Counts by time first, as in usage.db of the SQLite engine.
-- kind: 0 a key, 1 a project, 2 an organization.
CREATE TABLE minutes (
    start   BIGINT NOT NULL,
    kind    SMALLINT NOT NULL,
    subject UUID NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    count   BIGINT NOT NULL,
    PRIMARY KEY (start, kind, subject, verdict)
);
CREATE TABLE hours (LIKE minutes INCLUDING ALL);
CREATE TABLE days (LIKE minutes INCLUDING ALL);

-- Rows of a step below (start, kind, subject, verdict) are in the next step as
-- well, and rows that began before dropped are gone.
CREATE TABLE marks (
    step    SMALLINT PRIMARY KEY,
    start   BIGINT NOT NULL DEFAULT 0,
    kind    SMALLINT NOT NULL DEFAULT 0,
    subject UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    verdict TEXT COLLATE "C" NOT NULL DEFAULT '',
    dropped BIGINT NOT NULL DEFAULT 0
);
INSERT INTO marks (step) VALUES (0), (1), (2);

-- The last batch of each process that counts, which is not added twice.
CREATE TABLE writers (
    id      UUID PRIMARY KEY,
    number  BIGINT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE last_used (
    key          UUID PRIMARY KEY,
    organization UUID NOT NULL,
    project      UUID,
    at           BIGINT NOT NULL,
    address      BYTEA, -- NULL: not told
    agent        BYTEA
);
CREATE INDEX last_used_of_organization ON last_used (organization, at, key);
CREATE INDEX last_used_of_project ON last_used (project, at, key);
CREATE INDEX last_used_by_time ON last_used (at, key);

-- What happened, in the order of the commits: seq is drawn under the lock of
-- head. A seq is never given twice. sent_to names webhooks.
CREATE TABLE events (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           UUID NOT NULL UNIQUE,
    at           BIGINT NOT NULL,
    type         TEXT COLLATE "C" NOT NULL,
    organization UUID,
    project      UUID,
    target_kind  TEXT COLLATE "C" NOT NULL,
    target       TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    data         TEXT COLLATE "C" NOT NULL,
    sent_to      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX events_of_organization ON events (organization, seq);
CREATE INDEX events_of_target ON events (target, seq);
CREATE TRIGGER events_stay_as_written BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION forbidden('events are not edited');
