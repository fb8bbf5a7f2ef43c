-- Joined words have a mark, and all words of a share its era. The index is filled when a program opens the history.

-- +goose Up
DELETE FROM search;

-- +goose Down
DELETE FROM search;
