-- Who of several replicas may write: whoever leads in the latest term.

-- +goose Up
CREATE TABLE terms (
  cluster INTEGER PRIMARY KEY REFERENCES clusters (id),
  term    INTEGER NOT NULL
);

-- +goose Down
DROP TABLE terms;
