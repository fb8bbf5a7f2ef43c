-- The index names the pods of a share as far as they are few. Those of one that has many, and may yet get as many again, are here.

-- +goose Up
CREATE TABLE crowds (
  name  TEXT NOT NULL, -- of a pod, in small letters
  share INTEGER NOT NULL,
  PRIMARY KEY (name, share)
) WITHOUT ROWID;
CREATE INDEX crowds_by_share ON crowds (share);
INSERT INTO crowds (name, share)
SELECT DISTINCT lower(p.name), d.share
FROM shares s JOIN deaths d ON d.share = s.id JOIN pods p ON p.id = d.pod
WHERE s.pods > 4; -- of more the index did not always have all

-- +goose Down
DROP TABLE crowds;
