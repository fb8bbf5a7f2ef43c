// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// mostJobs is how many callers share one transaction.
const mostJobs = 256

// A job is what one caller wants written. It may be run again, when another job spoilt their transaction.
type job struct {
	reign reign // in which it is written
	run   func(*txn) error
	done  chan error
}

// do has the writer run something and waits for its commit. A caller that gives up does not know whether it was written.
func (s *Store) do(ctx context.Context, run func(*txn) error) error {
	in, err := s.led()
	if err != nil {
		return s.explain("write to", err)
	}
	return s.send(ctx, &job{reign: in, run: run})
}

func (s *Store) send(ctx context.Context, j *job) error {
	const doing = "write to"
	if s.options.ReadOnly {
		return s.explain(doing, errReadOnly)
	}
	j.done = make(chan error, 1)
	select {
	case s.queue <- j:
	case <-s.stopped:
		return ErrClosed
	case <-ctx.Done():
		return s.explain(doing, ctx.Err())
	}
	select {
	case err := <-j.done:
		return s.explain(doing, err)
	case <-ctx.Done():
		return s.explain(doing, ctx.Err())
	}
}

// write is the one goroutine that writes.
func (s *Store) write() {
	defer close(s.commits)
	for {
		select {
		case <-s.stopped:
			return
		case j := <-s.queue:
			s.commitAll(s.collect(j))
		}
	}
}

// collect takes in whoever waits.
func (s *Store) collect(first *job) []*job {
	jobs := []*job{first}
	for len(jobs) < mostJobs {
		select {
		case j := <-s.queue:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

// commitAll commits the jobs together, and each by itself where that fails: one that cannot be written is no reason not
// to write the others.
func (s *Store) commitAll(jobs []*job) {
	err := s.commit(jobs)
	if err == nil || len(jobs) == 1 {
		s.committed(jobs, err)
		return
	}
	for _, j := range jobs {
		s.committed([]*job{j}, s.commit([]*job{j}))
	}
}

// committed has jobs answered: at once, or when the disk has what they wrote.
func (s *Store) committed(jobs []*job, err error) {
	if err != nil || s.log == "" {
		answer(jobs, err)
		return
	}
	s.commits <- jobs
}

// commit runs the jobs as one transaction.
func (s *Store) commit(jobs []*job) error {
	ctx := context.Background() // what was begun is ended, whoever still waits for it
	if err := s.session.begin(ctx, s); err != nil {
		return err
	}
	t := &txn{session: &s.session, store: s, now: s.options.Now()}
	err := t.all(jobs)
	err = s.session.end(ctx, s, err)
	if err != nil {
		return err
	}
	for _, after := range t.after {
		after()
	}
	s.changes.tell(t.change())
	return nil
}

// A txn is one transaction of the writer, with what it has read so far.
type txn struct {
	*session
	store   *Store
	now     time.Time
	grouped grouping
	changed []int64        // deaths
	blobs   map[hash]int64 // that were written or referred to
	events  bool           // Events were written
	gaps    bool           // gaps were written
	after   []func()       // to be done once it is committed
}

// context does not end: what was begun is ended, whoever still waits for it.
func (t *txn) context() context.Context { return context.Background() }

func (t *txn) all(jobs []*job) error {
	if err := t.obey(jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		if err := j.run(t); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	return t.tellOthers()
}

func (t *txn) exec(query string, args ...any) error {
	_, err := t.count(query, args...)
	return err
}

// count returns how many rows were changed.
func (t *txn) count(query string, args ...any) (int64, error) {
	stmt, err := t.stmt(t.context(), query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(t.context(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row reads one row, and tells whether there is one.
func (t *txn) row(into []any, query string, args ...any) (bool, error) {
	stmt, err := t.stmt(t.context(), query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(t.context(), args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (t *txn) each(row func(scan func(...any) error) error, query string, args ...any) error {
	stmt, err := t.stmt(t.context(), query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(t.context(), args...)
	if err != nil {
		return err
	}
	return every(rows, row)
}

// numbers reads a column of numbers.
func (t *txn) numbers(query string, args ...any) ([]int64, error) {
	var all []int64
	err := t.each(func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		all = append(all, n)
		return err
	}, query, args...)
	return all, err
}

func every(rows *sql.Rows, row func(scan func(...any) error) error) error {
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
