-- Joined words have a mark. The index is filled when a program opens the history.

-- +goose Up
DELETE FROM search;

-- +goose Down
DELETE FROM search;
