-- Joined words have a mark, and all words of a share its era. The index is filled when a program opens the file.

-- +goose Up
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none,
  tokenize = "ascii tokenchars '-_./:@='"
);

-- +goose Down
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none,
  tokenize = "ascii tokenchars '-_./:@'"
);
