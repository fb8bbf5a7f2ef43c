// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Version is that of the tables that this program knows.
const Version = 9

// Migrate brings the tables of the history at url to another version: one back, before an older program is to use it.
// No program may have it open.
func Migrate(ctx context.Context, url string, version int64) error {
	s, err := connect(ctx, url, Options{})
	if err != nil {
		return err
	}
	return errors.Join(s.migrate(ctx, version), s.disconnect())
}

func (s *Store) migrate(ctx context.Context, version int64) error {
	if version < 1 || version > Version {
		return fmt.Errorf("migrate the history %s: version %d is unknown, expected 1 to %d", s.name, version, Version)
	}
	p, err := s.provider()
	if err != nil {
		return s.explain("migrate", err)
	}
	has, err := p.GetDBVersion(ctx)
	switch {
	case err != nil:
	case has > Version:
		err = tooNew(has)
	case has > version:
		_, err = p.DownTo(ctx, version)
	default:
		_, err = p.UpTo(ctx, version)
	}
	return s.explain("migrate", err)
}

func (s *Store) provider() (*goose.Provider, error) {
	files, err := s.dialect.files()
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithTableName("history_version")}
	if s.dialect == &postgresDialect {
		one, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(one))
	}
	return goose.NewProvider(s.dialect.goose, s.db, files, options...)
}

func (s *Store) upgrade(ctx context.Context) error {
	p, err := s.provider()
	if err != nil {
		return err
	}
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if has > Version {
		return tooNew(has)
	}
	if has < Version {
		_, err = p.Up(ctx)
	}
	return err
}

// sameVersion checks what may not be written to.
func (s *Store) sameVersion(ctx context.Context) error {
	var has int64
	err := s.reads.QueryRowContext(ctx, "SELECT MAX(version_id) FROM history_version").Scan(&has)
	switch {
	case err != nil:
		return err
	case has > Version:
		return tooNew(has)
	case has < Version:
		return fmt.Errorf("%w: it has version %d of the tables, this program needs %d", errOlder, has, Version)
	}
	return nil
}

func tooNew(has int64) error {
	return fmt.Errorf("%w: it has version %d of the tables, this program knows %d", errNewer, has, Version)
}
