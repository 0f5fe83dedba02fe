-- +goose Up

-- Batches as they came, packed: one row a second instead of some for each key
-- in use. Now and then what they say goes into the other tables, together.
CREATE TABLE notes (
    number INTEGER PRIMARY KEY,
    batch  BLOB NOT NULL
) STRICT;
