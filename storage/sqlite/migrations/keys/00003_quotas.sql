-- +goose Up

-- How much of each quota was handed out in its latest period. ends is NULL where
-- there is no end. lent is what a process may hold unspent.
CREATE TABLE quotas (
    id     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    period INTEGER NOT NULL,
    ends   INTEGER,
    taken  INTEGER NOT NULL CHECK (taken >= 0),
    lent   INTEGER NOT NULL CHECK (lent BETWEEN 0 AND taken)
) STRICT, WITHOUT ROWID;
CREATE INDEX quotas_lent ON quotas (id, ends, lent) WHERE lent > 0;
