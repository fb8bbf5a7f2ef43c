// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Filter says what is asked for. The zero value is everything.
type Filter struct {
	Cluster    string
	Incident   string   // deaths of one
	States     []State  // of incidents; none for all
	Namespaces []string // that the asker may see: nil for all, empty for none
	Named      bool     // who asks may see all and wants these alone: what was told stays as it is
	Within     string   // a namespace that something of an incident is in
	Rule       string
	Node       string
	Image      string
	Workload   evidence.Ref // by kind and name; its namespace too where it has one
	Pod        string       // UID; deaths only
	Text       string       // words that all occur in names, the message or the evidence, the last one as a beginning
	From, To   time.Time
	Unsettled  bool // deaths whose verdict is yet to come or provisional
	Limit      int  // 50 where it is 0, at most 1000
	Cursor     string
}

const (
	usualLimit = 50
	mostLimit  = 1000
)

func (f *Filter) limit() int {
	if f.Limit <= 0 {
		return usualLimit
	}
	return min(f.Limit, mostLimit)
}

// none tells whether nobody may see anything.
func (f *Filter) none() bool { return f.Namespaces != nil && len(f.Namespaces) == 0 }

// A querier is a database or a transaction in it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// query reads all rows. They are read to their end before anything else is asked, as there may be one connection.
func (s *Store) query(ctx context.Context, q querier, row func(scan func(...any) error) error, text string, args ...any) error {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	return every(rows, row)
}

// A query is conditions with their arguments. Text of the asker is only ever an argument.
type query struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns how it is referred to.
func (q *query) arg(value any) string {
	q.args = append(q.args, value)
	return "$" + strconv.Itoa(len(q.args))
}

// where adds a condition, in which %s stands for the value.
func (q *query) where(condition string, value any) {
	q.conditions = append(q.conditions, fmt.Sprintf(condition, q.arg(value)))
}

func (q *query) optional(condition, value string) {
	if value != "" {
		q.where(condition, clean(value, maxWord))
	}
}

// among allows some values of a column; nil allows all.
func (q *query) among(column string, values []string) {
	if values == nil {
		return
	}
	var all []string
	for _, v := range values {
		all = append(all, q.arg(clean(v, maxName)))
	}
	if len(all) == 0 {
		all = []string{"NULL"}
	}
	q.conditions = append(q.conditions, column+" IN ("+strings.Join(all, ", ")+")")
}

func (q *query) within(column string, from, to time.Time) {
	if !from.IsZero() {
		q.where(column+" >= %s", micros(from))
	}
	if !to.IsZero() {
		q.where(column+" < %s", micros(to))
	}
}

// after goes on behind a cursor, in descending order.
func (q *query) after(time, id string, c cursor) {
	if c.id != 0 {
		q.conditions = append(q.conditions, fmt.Sprintf("(%s, %s) < (%s, %s)", time, id, q.arg(c.at), q.arg(c.id)))
	}
}

func (q *query) text() string {
	if len(q.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.conditions, " AND ")
}

// limit bounds what is read; one more than a page has tells whether there is another.
func (q *query) limit(n int) string {
	if n <= 0 || n > mostLimit+1 {
		n = mostLimit
	}
	return " LIMIT " + strconv.Itoa(n)
}

// A cursor is the place of the last row that was read, in the order of time and id.
type cursor struct{ at, id int64 }

// ErrCursor says that the cursor is none that a page came with.
var ErrCursor = errors.New("unknown cursor, expected the one that the last page came with")

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.at, 36) + "." + strconv.FormatInt(c.id, 36)))
}

func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{at: math.MaxInt64}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, ErrCursor
	}
	at, id, _ := strings.Cut(string(raw), ".")
	var c cursor
	c.at, err = strconv.ParseInt(at, 36, 64)
	if err == nil {
		c.id, err = strconv.ParseInt(id, 36, 64)
	}
	if err != nil || c.id <= 0 {
		return cursor{}, ErrCursor
	}
	return c, nil
}
