-- Since when a cluster is watched, whether all that was there then has been seen, and when a recorder was last there.

-- +goose Up
ALTER TABLE clusters ADD COLUMN begun BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD COLUMN looked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD COLUMN beat BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE clusters DROP COLUMN begun;
ALTER TABLE clusters DROP COLUMN looked;
ALTER TABLE clusters DROP COLUMN beat;
