-- Joined words have a mark, and all words of a share its era. The index is filled when a program opens the file. And what a death takes
-- is less: the UIDs of pods are bytes, the end of a run is not written twice (1 stands for at), messages are counted and have no index.

-- +goose Up
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none,
  tokenize = "ascii tokenchars '-_./:@='"
);
ALTER TABLE messages ADD COLUMN refs INTEGER NOT NULL DEFAULT 0; -- of deaths
UPDATE messages SET refs = (SELECT COUNT(*) FROM deaths d WHERE d.message = messages.id);
DROP INDEX deaths_by_message;
DROP INDEX deaths_by_time;
CREATE INDEX deaths_by_time ON deaths (at); -- and id, which an index has at its end
UPDATE pods SET uid = short.uid
FROM (SELECT id, unhex(replace(uid, '-', '')) AS uid FROM pods) short
WHERE short.id = pods.id AND length(short.uid) = 16
  AND pods.uid = lower(substr(hex(short.uid), 1, 8) || '-' || substr(hex(short.uid), 9, 4) || '-' || substr(hex(short.uid), 13, 4)
    || '-' || substr(hex(short.uid), 17, 4) || '-' || substr(hex(short.uid), 21));

-- +goose Down
UPDATE pods SET uid = lower(substr(hex(uid), 1, 8) || '-' || substr(hex(uid), 9, 4) || '-' || substr(hex(uid), 13, 4)
  || '-' || substr(hex(uid), 17, 4) || '-' || substr(hex(uid), 21))
WHERE typeof(uid) = 'blob';
UPDATE deaths SET finished = at WHERE finished = 1;
DROP INDEX deaths_by_time;
CREATE INDEX deaths_by_time ON deaths (at, id);
CREATE INDEX deaths_by_message ON deaths (message) WHERE message IS NOT NULL;
ALTER TABLE messages DROP COLUMN refs;
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (
  terms,
  content = '', contentless_delete = 1, detail = none,
  tokenize = "ascii tokenchars '-_./:@'"
);
