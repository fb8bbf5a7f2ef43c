// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// connect reaches the database without looking at what is in it.
func connect(ctx context.Context, address string, o Options) (*Store, error) {
	s := &Store{eraBits: eraBits, options: o.withDefaults(), queue: make(chan *job), stopped: make(chan struct{}), ended: make(chan struct{}), commits: make(chan commit, mostJobs), name: address, me: rand.Text()}
	var err error
	switch {
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		err = s.connectPostgres(ctx, address)
	case address == "memory:":
		err = s.connectMemory()
	default:
		err = s.connectFile(ctx, strings.TrimPrefix(address, "sqlite:"))
	}
	if err != nil {
		return nil, errors.Join(s.explain("open", err), s.disconnect())
	}
	return s, nil
}

func (s *Store) connectPostgres(ctx context.Context, address string) error {
	s.dialect, s.name = &postgresDialect, "of PostgreSQL"
	if u, err := url.Parse(address); err == nil {
		u.RawQuery = "" // may have a password as well
		s.name = u.Redacted()
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(4)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s.db, s.reads = db, db
	var encoding string
	if err := db.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s, expected UTF8: create it with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// connectMemory has one connection, which is the database.
func (s *Store) connectMemory() error {
	s.dialect, s.name = &sqliteDialect, "in memory"
	db, err := sql.Open("sqlite", ":memory:?_pragma=foreign_keys(1)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	s.db, s.reads = db, db
	return nil
}

func (s *Store) connectFile(ctx context.Context, name string) error {
	s.dialect, s.name, s.log = &sqliteDialect, name, name+"-wal"
	if err := reach(name, s.options.ReadOnly); err != nil {
		return err
	}
	if !s.options.ReadOnly {
		if err := s.own(ctx, name); err != nil {
			return err
		}
	}
	var err error
	if s.db, err = sql.Open("sqlite", dsn(name, "_txlock=immediate", pragma("busy_timeout", "5000"), pragma("page_size", pageSize), pragma("auto_vacuum", "2"),
		pragma("journal_mode", "WAL"), pragma("synchronous", "NORMAL"), pragma("wal_autocheckpoint", logPages), pragma("foreign_keys", "1"), pragma("cache_size", "-1000"),
		pragma("journal_size_limit", "67108864"))); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	s.db.SetMaxIdleConns(1)
	if s.reads, err = sql.Open("sqlite", dsn(name, pragma("busy_timeout", "5000"), pragma("query_only", "1"),
		pragma("cache_size", "-500"))); err != nil {
		return err
	}
	s.reads.SetMaxOpenConns(4)
	s.reads.SetMaxIdleConns(4) // who opens one anew reads the schema anew
	if s.options.ReadOnly {
		return s.reads.PingContext(ctx)
	}
	return soon(ctx, s.db)
}

// reach makes the file, or says what is in the way.
func reach(name string, readOnly bool) error {
	flags := os.O_RDWR | os.O_CREATE
	if readOnly {
		flags = os.O_RDONLY
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotAFile
	}
	return errors.Join(err, f.Close())
}

// own takes the lock that says that this process writes to the file. The lock ends with the process, however it ends.
// A file beside it is locked and not the history itself, so that others can read that.
func (s *Store) own(ctx context.Context, name string) error {
	var err error
	if s.owner, err = sql.Open("sqlite", dsn(name+".lock", "_txlock=exclusive", pragma("busy_timeout", "1000"))); err != nil {
		return err
	}
	s.owner.SetMaxOpenConns(1)
	if _, err := s.owner.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		if codeOf(err) == sqliteBusy {
			return errOwned
		}
		return fmt.Errorf("lock %s.lock: %w", name, err)
	}
	return nil
}

// soon finds the damage that can be found within a second: a large file is not read as a whole at each start.
func soon(ctx context.Context, db *sql.DB) error {
	brief, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := check(brief, db, "quick_check")
	if err != nil && brief.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

func check(ctx context.Context, db *sql.DB, how string) error {
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA "+how+"(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, found)
	}
	return nil
}

func pragma(name, value string) string { return "_pragma=" + name + "(" + value + ")" }

// dsn names a file to SQLite, whatever characters its path has.
func dsn(name string, settings ...string) string {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	name = filepath.ToSlash(name)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return (&url.URL{Scheme: "file", Path: name, RawQuery: strings.Join(settings, "&")}).String()
}
