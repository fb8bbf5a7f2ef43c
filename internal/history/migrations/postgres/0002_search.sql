-- The index is made of what the other tables hold, and is filled when a program opens the database.

-- +goose Up
CREATE TABLE search (
  share BIGINT PRIMARY KEY,
  terms TSVECTOR NOT NULL
);
CREATE INDEX search_terms ON search USING gin (terms);

-- +goose Down
DROP TABLE search;
