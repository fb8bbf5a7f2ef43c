-- The index is made of what the other tables hold, and is filled when a program opens the file.

-- +goose Up
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none,
  tokenize = "ascii tokenchars '-_./:@'"
);

-- +goose Down
DROP TABLE search;
