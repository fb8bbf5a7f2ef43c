// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// A session is the writer's connection, with its statements prepared once. It is given back after an error, and after
// each transaction where there is no other connection to read through.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (w *session) begin(ctx context.Context, s *Store) error {
	if w.conn == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		w.conn, w.stmts = conn, map[string]*sql.Stmt{}
	}
	_, err := w.conn.ExecContext(ctx, s.dialect.begin)
	if err == nil && s.dialect.lock != "" {
		_, err = w.conn.ExecContext(ctx, s.dialect.lock)
	}
	if err != nil {
		return w.undo(ctx, err)
	}
	return nil
}

// end commits, or undoes what was done where there is an error.
func (w *session) end(ctx context.Context, s *Store, err error) error {
	if err != nil {
		return w.undo(ctx, err)
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return w.undo(ctx, err)
	}
	if s.reads == s.db && s.dialect == &sqliteDialect {
		return w.close()
	}
	return nil
}

// undo rolls back. A connection that cannot is not used again.
func (w *session) undo(ctx context.Context, cause error) error {
	if _, err := w.conn.ExecContext(ctx, "ROLLBACK"); err != nil && codeOf(err) == 0 {
		err = w.conn.Raw(func(any) error { return driver.ErrBadConn })
		cause = errors.Join(cause, ignore(err, driver.ErrBadConn))
	}
	return errors.Join(cause, w.close())
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func (w *session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = stmt
	}
	return stmt, err
}

func (w *session) close() error {
	if w.conn == nil {
		return nil
	}
	var all error
	for _, stmt := range w.stmts {
		all = errors.Join(all, stmt.Close())
	}
	all = errors.Join(all, w.conn.Close())
	w.conn, w.stmts = nil, nil
	return ignore(ignore(all, driver.ErrBadConn), sql.ErrConnDone)
}
