-- +goose Up

-- What shall be told of. project and key are NULL where a rule is not bound to one. A time
-- that has not come is 0.
CREATE TABLE alert_rules (
    id           UUID PRIMARY KEY,
    organization UUID NOT NULL,
    project      UUID,
    key          UUID,
    kind         TEXT COLLATE "C" NOT NULL,
    active       BOOLEAN NOT NULL,
    created_at   BIGINT NOT NULL,
    deleted_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    detail       TEXT COLLATE "C" NOT NULL,
    mac          BYTEA NOT NULL
);
CREATE INDEX alert_rules_of_organization ON alert_rules (organization, id);

-- What was told. ended_at is 0 while it lasts.
CREATE TABLE alerts (
    id           UUID PRIMARY KEY,
    organization UUID NOT NULL,
    project      UUID,
    key          UUID,
    rule         UUID NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    opened_at    BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    detail       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX alerts_of_organization ON alerts (organization, id);
CREATE INDEX alerts_of_key ON alerts (key, id) WHERE key IS NOT NULL;
CREATE INDEX alerts_of_subject ON alerts (rule, subject, id);
CREATE INDEX alerts_that_last ON alerts (id) WHERE ended_at = 0;
CREATE INDEX alerts_ended ON alerts (ended_at) WHERE ended_at > 0;

-- Where each key was used from, cut so that few are distinct.
CREATE TABLE origins (
    key      UUID NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    value    TEXT COLLATE "C" NOT NULL,
    first_at BIGINT NOT NULL,
    PRIMARY KEY (key, kind, value)
);
CREATE INDEX origins_by_time ON origins (first_at, key, kind, value);
