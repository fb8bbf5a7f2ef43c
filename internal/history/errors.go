// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// Errors that callers tell apart.
var (
	// ErrNotFound: there is no such thing, or the asker may not see it.
	ErrNotFound = errors.New("not in the history")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the history is closed")
	// ErrFull: there is no room; what was not written can be written again when there is.
	ErrFull = errors.New("no room")

	errOwned    = errors.New("another process writes to it")
	errDamaged  = errors.New("damaged")
	errNotAFile = errors.New("not a file")
	errNewer    = errors.New("written by a newer version")
	errReadOnly = errors.New("opened for reading only")
	errOlder    = errors.New("written by an older version")
)

// Result codes of SQLite (sqlite.org/rescode.html), in the low byte of the extended ones.
const (
	sqliteBusy     = 5
	sqliteReadOnly = 8
	sqliteIO       = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteNotADB   = 26
)

func codeOf(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// explain says what was being done to which history, and what to do about the error.
func (s *Store) explain(doing string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrClosed) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s the history: %w", doing, err)
	}
	remedy := remedyOf(err)
	if errors.Is(err, fs.ErrNotExist) && s.options.ReadOnly && s.dialect == &sqliteDialect { // which makes no file, whatever folder there is
		remedy = "name a file that inquest serve has written"
	}
	if codeOf(err) == sqliteFull || stateOf(err) == "53100" {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if remedy == "" {
		return fmt.Errorf("%s the history %s: %w", doing, s.name, err)
	}
	return fmt.Errorf("%s the history %s: %w; %s", doing, s.name, err, remedy)
}

func remedyOf(err error) string {
	switch {
	case errors.Is(err, errOwned):
		return "stop that one, name another file, or share a database of PostgreSQL"
	case errors.Is(err, errNewer):
		return "use that version of inquest, or let it take the history one version back"
	case errors.Is(err, errOlder):
		return "let inquest serve open it once, which brings it up to date"
	case errors.Is(err, errNotAFile):
		return "name a regular file"
	case errors.Is(err, fs.ErrNotExist):
		return "create its folder, or name another file"
	case errors.Is(err, fs.ErrPermission):
		return "make the file and its folder writable for the user that runs inquest"
	case errors.Is(err, errDamaged):
		return damaged
	}
	if remedy := remedies[codeOf(err)]; remedy != "" {
		return remedy
	}
	return postgresRemedy(err)
}

const damaged = "put back a copy of it, or move it away to begin a new one"

var remedies = map[int]string{
	sqliteBusy:     "another process holds it locked: stop that one",
	sqliteReadOnly: "make the file and its folder writable for the user that runs inquest",
	sqliteIO:       "look at the disk that it lies on",
	sqliteCorrupt:  damaged,
	sqliteFull:     "make room on its disk, or keep less",
	sqliteCantOpen: "make the file and its folder writable for the user that runs inquest",
	sqliteNotADB:   "the file is something else, or damaged: " + damaged,
}

func stateOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// postgresRemedy knows the codes of PostgreSQL (its appendix A).
func postgresRemedy(err error) string {
	switch state := stateOf(err); {
	case state == "3D000":
		return "create the database"
	case strings.HasPrefix(state, "28"):
		return "check user and password"
	case state == "42501":
		return "let the user create tables in its schema"
	case state == "53100":
		return "make room on its disk, or keep less"
	case state == "53300":
		return "allow the server more connections"
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok && e != nil {
		return "check that the server runs and can be reached"
	}
	return ""
}
