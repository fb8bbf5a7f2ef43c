-- Joined words have a mark. A beginning of three letters is that of many words, and is found like a word. The index is filled when a program opens the file.

-- +goose Up
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none, prefix = '3',
  tokenize = "ascii tokenchars '-_./:@='"
);

-- +goose Down
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none,
  tokenize = "ascii tokenchars '-_./:@'"
);
