-- Joined words have a mark, and all words of a share its era. The index is filled when a program opens the history. And what a death
-- takes is less: the end of a run is not written twice (1 stands for at), messages are counted and have no index.

-- +goose Up
DELETE FROM search;
ALTER TABLE messages ADD COLUMN refs BIGINT NOT NULL DEFAULT 0; -- of deaths
UPDATE messages SET refs = (SELECT COUNT(*) FROM deaths d WHERE d.message = messages.id);
DROP INDEX deaths_by_message;

-- +goose Down
UPDATE deaths SET finished = at WHERE finished = 1;
CREATE INDEX deaths_by_message ON deaths (message) WHERE message IS NOT NULL;
ALTER TABLE messages DROP COLUMN refs;
DELETE FROM search;
