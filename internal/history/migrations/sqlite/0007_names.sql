-- What was told names what is in other namespaces, which not everybody who reads it may see. Of what was told before it is not known whom it names.

-- +goose Up
ALTER TABLE messages ADD COLUMN names TEXT; -- in namespaces that the text names: a line of namespace/name each
ALTER TABLE shares ADD COLUMN names TEXT;   -- likewise of the title
UPDATE deaths SET missing = 'it was not captured, as too many died at the same time: it is judged as one that died like it'
WHERE missing LIKE 'it was not captured, as too many died at the same time: it is judged as %, which died like it';

-- +goose Down
ALTER TABLE shares DROP COLUMN names;
ALTER TABLE messages DROP COLUMN names;
