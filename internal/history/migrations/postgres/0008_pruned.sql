-- Names that nothing has any more are removed: whether a death has one is looked up for each.

-- +goose Up
CREATE INDEX deaths_by_image ON deaths (image);

-- +goose Down
DROP INDEX deaths_by_image;
