-- Who may see some namespaces looks for names of pods in these alone: how many there are in others has no part in it.

-- +goose Up
ALTER TABLE crowds ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
UPDATE crowds SET namespace = COALESCE((SELECT s.namespace FROM shares s WHERE s.id = crowds.share), '');
CREATE INDEX crowds_by_namespace ON crowds (namespace, name, share);

-- +goose Down
DROP INDEX crowds_by_namespace;
ALTER TABLE crowds DROP COLUMN namespace;
