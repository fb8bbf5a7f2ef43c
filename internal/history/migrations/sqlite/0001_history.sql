-- Times are microseconds since 1970, 0 where unknown. Truth is 0 or 1. Both dialects have the same tables and columns.

-- +goose Up
CREATE TABLE clusters (
  id  INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE
);
CREATE TABLE pods (
  id            INTEGER PRIMARY KEY,
  cluster       INTEGER NOT NULL REFERENCES clusters (id),
  uid           TEXT NOT NULL,
  namespace     TEXT NOT NULL,
  name          TEXT NOT NULL,
  workload_kind TEXT NOT NULL,
  workload_name TEXT NOT NULL,
  UNIQUE (cluster, uid)
);
CREATE INDEX pods_by_workload ON pods (workload_name, namespace);
CREATE TABLE ended ( -- of live pods: the last run of each container that was seen to end
  pod       INTEGER NOT NULL REFERENCES pods (id),
  container TEXT NOT NULL,
  attempt   INTEGER NOT NULL,
  base      INTEGER NOT NULL DEFAULT 0, -- how many of them an earlier restart count had counted
  PRIMARY KEY (pod, container)
) WITHOUT ROWID;
CREATE TABLE incidents (
  id              INTEGER PRIMARY KEY,
  ref             TEXT NOT NULL UNIQUE, -- the name in URLs
  key             INTEGER NOT NULL,     -- a hash of cluster, rule and thing
  cluster         INTEGER NOT NULL REFERENCES clusters (id),
  rule            TEXT NOT NULL,
  thing_kind      TEXT NOT NULL,
  thing_namespace TEXT NOT NULL,
  thing_name      TEXT NOT NULL,
  thing_container TEXT NOT NULL,
  state           INTEGER NOT NULL,
  round           INTEGER NOT NULL, -- how often it was reopened
  first           INTEGER NOT NULL,
  last            INTEGER NOT NULL,
  deaths          INTEGER NOT NULL,
  pods            INTEGER NOT NULL,
  title           TEXT NOT NULL     -- of one that was told of and has no death any more
);
CREATE INDEX incidents_by_key ON incidents (key, last);
CREATE INDEX incidents_by_state ON incidents (state, last, id, first); -- with first, what opened too late is passed over without its row
CREATE TABLE shares ( -- what of an incident lies in one namespace
  id           INTEGER PRIMARY KEY,
  incident     INTEGER NOT NULL REFERENCES incidents (id),
  namespace    TEXT NOT NULL,
  state        INTEGER NOT NULL, -- that of the incident
  first        INTEGER NOT NULL,
  last         INTEGER NOT NULL,
  deaths       INTEGER NOT NULL, -- the trimmed ones included
  pods         INTEGER NOT NULL,
  trimmed      INTEGER NOT NULL, -- deaths that retention took
  certain      INTEGER NOT NULL,
  likely       INTEGER NOT NULL,
  possible     INTEGER NOT NULL,
  lead         INTEGER NOT NULL, -- the death that gave the title
  lead_settled INTEGER NOT NULL,
  title        TEXT,          -- NULL for the message of that death
  nodes        TEXT NOT NULL, -- numbers of names
  images       TEXT NOT NULL, -- numbers of names
  workloads    TEXT NOT NULL, -- numbers of names, of kind/name
  UNIQUE (incident, namespace)
);
CREATE INDEX shares_by_state ON shares (namespace, state, last, incident, first);
CREATE TABLE names ( -- of nodes, images and workloads
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
CREATE TABLE messages (
  id   INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL, -- of the text
  text TEXT NOT NULL
);
CREATE INDEX messages_by_hash ON messages (hash);
CREATE TABLE blobs (
  id    INTEGER PRIMARY KEY AUTOINCREMENT, -- none is given twice
  hash  BLOB,                           -- the first half of the SHA-256 of a larger file
  base  INTEGER REFERENCES blobs (id),   -- the content that this one was compressed against
  alike INTEGER,                         -- of a content that others are compressed against: a hash of what resembles it
  refs  INTEGER NOT NULL,                -- of deaths and parts; bases have more
  data  BLOB NOT NULL
);
CREATE UNIQUE INDEX blobs_by_hash ON blobs (hash) WHERE hash IS NOT NULL;
CREATE INDEX blobs_by_base ON blobs (base) WHERE base IS NOT NULL;
CREATE INDEX blobs_by_likeness ON blobs (alike) WHERE alike IS NOT NULL;
CREATE TABLE deaths (
  id         INTEGER PRIMARY KEY,
  pod        INTEGER NOT NULL REFERENCES pods (id),
  container  TEXT NOT NULL,
  attempt    INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  at         INTEGER NOT NULL, -- when it ended, or when it was seen where that is not known
  started    INTEGER NOT NULL,
  finished   INTEGER NOT NULL,
  seen       INTEGER NOT NULL,
  exit_code  INTEGER NOT NULL,
  signal     INTEGER NOT NULL,
  node       INTEGER NOT NULL REFERENCES names (id),
  image      INTEGER NOT NULL REFERENCES names (id),
  reason     TEXT NOT NULL,
  missing    TEXT NOT NULL, -- why there is no evidence
  rank       INTEGER NOT NULL, -- 0 counted only, 1 no verdict, 2 provisional, 3 settled
  rule       TEXT NOT NULL,
  confidence TEXT NOT NULL,
  message    INTEGER, -- what was told of it
  version    TEXT NOT NULL,
  files      INTEGER NOT NULL, -- of its bundle
  share      INTEGER REFERENCES shares (id),
  pack       INTEGER, -- the blob of report and bundle; parts has the larger files
  UNIQUE (pod, container, attempt, kind)
);
CREATE INDEX deaths_by_share ON deaths (share, at);
CREATE INDEX deaths_by_time ON deaths (at, id);
CREATE INDEX deaths_by_node ON deaths (node, at);
CREATE INDEX deaths_by_message ON deaths (message) WHERE message IS NOT NULL;
CREATE INDEX deaths_unsettled ON deaths (at, id) WHERE rank IN (1, 2);
CREATE TABLE parts ( -- files of a death that are not in its pack, by the number that they have there
  death INTEGER NOT NULL REFERENCES deaths (id),
  part  INTEGER NOT NULL,
  blob  INTEGER NOT NULL,
  PRIMARY KEY (death, part)
) WITHOUT ROWID;
CREATE TABLE outbox (
  id       INTEGER PRIMARY KEY,
  incident INTEGER NOT NULL REFERENCES incidents (id),
  round    INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  mark     INTEGER NOT NULL, -- the number of pods that an open incident has grown to; 0 for its opening and its end
  target   TEXT NOT NULL,
  due      INTEGER NOT NULL, -- not before; moved on by a lease and by each failure
  tries    INTEGER NOT NULL,
  done     INTEGER NOT NULL, -- when it was acknowledged
  fault    TEXT NOT NULL,    -- what the last try met with
  UNIQUE (incident, round, state, mark, target)
);
CREATE INDEX outbox_due ON outbox (due) WHERE done = 0;
CREATE TABLE events (
  id         INTEGER PRIMARY KEY,
  cluster    INTEGER NOT NULL REFERENCES clusters (id),
  uid        TEXT NOT NULL,
  kind       TEXT NOT NULL,
  namespace  TEXT NOT NULL,
  name       TEXT NOT NULL,
  container  TEXT NOT NULL,
  object_uid TEXT NOT NULL,
  type       TEXT NOT NULL,
  reason     TEXT NOT NULL,
  message    TEXT NOT NULL,
  reporter   TEXT NOT NULL,
  host       TEXT NOT NULL,
  first      INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  count      INTEGER NOT NULL,
  UNIQUE (cluster, uid)
);
CREATE INDEX events_by_object ON events (name, namespace, kind, last);
CREATE INDEX events_by_time ON events (last, id);
CREATE TABLE gaps ( -- what the watch could not see
  id        INTEGER PRIMARY KEY,
  cluster   INTEGER NOT NULL REFERENCES clusters (id),
  namespace TEXT NOT NULL,
  what      TEXT NOT NULL,
  began     INTEGER NOT NULL,
  ended     INTEGER NOT NULL, -- 0 while it lasts
  UNIQUE (cluster, namespace, what, began)
);
CREATE INDEX gaps_by_time ON gaps (began, id);

-- +goose Down
DROP TABLE gaps;
DROP TABLE events;
DROP TABLE outbox;
DROP TABLE parts;
DROP TABLE deaths;
DROP TABLE blobs;
DROP TABLE messages;
DROP TABLE names;
DROP TABLE shares;
DROP TABLE incidents;
DROP TABLE ended;
DROP TABLE pods;
DROP TABLE clusters;
