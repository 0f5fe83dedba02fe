-- +goose Up

-- Counts by time first: what is in use now lies together, so that a second's
-- counts touch few pages, and what is old is dropped as one range. A series of
-- one subject is a seek for each of its points.
-- kind: 0 a key, 1 a project, 2 an organization.
CREATE TABLE minutes (
    start   INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    subject BLOB NOT NULL,
    verdict TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (start, kind, subject, verdict)
) STRICT, WITHOUT ROWID;
CREATE TABLE hours (
    start   INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    subject BLOB NOT NULL,
    verdict TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (start, kind, subject, verdict)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (
    start   INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    subject BLOB NOT NULL,
    verdict TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (start, kind, subject, verdict)
) STRICT, WITHOUT ROWID;

-- Rows of a step below (start, kind, subject, verdict) are in the next step as
-- well, and rows that began before dropped are gone.
CREATE TABLE marks (
    step    INTEGER NOT NULL PRIMARY KEY,
    start   INTEGER NOT NULL DEFAULT 0,
    kind    INTEGER NOT NULL DEFAULT 0,
    subject BLOB NOT NULL DEFAULT X'',
    verdict TEXT NOT NULL DEFAULT '',
    dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO marks (step) VALUES (0), (1), (2);

INSERT INTO minutes SELECT minute, 0, key, verdict, count FROM counts;
INSERT INTO minutes SELECT minute, 1, project, verdict, sum(count) FROM counts
    WHERE project IS NOT NULL GROUP BY project, minute, verdict;
INSERT INTO minutes SELECT minute, 2, organization, verdict, sum(count) FROM counts
    GROUP BY organization, minute, verdict;
DROP TABLE counts;

-- The last batch of each writer, which is not added twice.
CREATE TABLE writers (
    id     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE last_used ADD COLUMN address TEXT;
ALTER TABLE last_used ADD COLUMN agent TEXT;
