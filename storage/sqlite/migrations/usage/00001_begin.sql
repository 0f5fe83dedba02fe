-- +goose Up

CREATE TABLE counts (
    key          BLOB NOT NULL,
    minute       INTEGER NOT NULL,
    verdict      TEXT NOT NULL,
    organization BLOB NOT NULL,
    project      BLOB,
    count        INTEGER NOT NULL,
    PRIMARY KEY (key, minute, verdict)
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_of_organization ON counts (organization, minute);
CREATE INDEX counts_of_project ON counts (project, minute);

CREATE TABLE last_used (
    key          BLOB NOT NULL PRIMARY KEY,
    organization BLOB NOT NULL,
    project      BLOB,
    at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX last_used_of_organization ON last_used (organization, at, key);
CREATE INDEX last_used_of_project ON last_used (project, at, key);
