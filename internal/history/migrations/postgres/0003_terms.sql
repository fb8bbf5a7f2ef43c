-- Who of several replicas may write: whoever leads in the latest term.

-- +goose Up
CREATE TABLE terms (
  cluster BIGINT PRIMARY KEY REFERENCES clusters (id),
  term    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE terms;
