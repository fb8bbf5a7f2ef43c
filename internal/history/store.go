// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a Store remembers. The zero value is what the program uses.
type Options struct {
	Window   time.Duration    // without a death, after which an incident is quiet; 10 minutes
	Close    time.Duration    // without a death, after which it is closed; an hour
	Reopen   time.Duration    // after closing, within which a death reopens it; a day
	Targets  []string         // who is told of each incident that opens, grows, reopens or closes, by names of the caller
	Hold     time.Duration    // how long an incident is not told of, because its first verdict may not be its last; 4 seconds
	Now      func() time.Time // time.Now
	Led      bool             // several replicas may write, one of them at a time: nothing is written but in a term, see Lead
	ReadOnly bool             // look at a history that another process may be writing to
}

func (o *Options) withDefaults() Options {
	all := *o
	all.Window = cmp.Or(all.Window, 10*time.Minute)
	all.Close = cmp.Or(all.Close, time.Hour)
	all.Reopen = cmp.Or(all.Reopen, 24*time.Hour)
	all.Hold = cmp.Or(all.Hold, 4*time.Second)
	if all.Now == nil {
		all.Now = time.Now
	}
	return all
}

// A Store is an open history. It is safe for concurrent use.
type Store struct {
	options Options
	dialect *dialect
	name    string  // as errors name it
	db      *sql.DB // what is written through
	reads   *sql.DB // what is read through; the same as db where there is one connection
	owner   *sql.DB // holds the lock on a file
	session session // of the writer
	queue   chan *job
	stopped chan struct{} // closed to end the writer
	ended   chan struct{} // closed when it has ended, and everybody was answered
	commits chan commit   // to be answered when they have reached the disk
	log     string        // the file that commits are written to, where the disk is not waited for
	torn    atomic.Bool   // of it, something did not reach the disk
	stop    sync.Once
	bases   bases
	changes broadcast
	me      string             // by which other processes know who changed something
	deafen  context.CancelFunc // ends the listening to them
	deaf    chan struct{}      // closed when it has ended
	reign   atomic.Pointer[reign]
	pruned  atomic.Int64 // the last name that was looked at for whether anything has it
	eraBits int          // fewer in tests
}

// Open opens the history at url: the path of a file, which is made where there is none, "memory:", or
// "postgres://…". It brings its tables to the version of this program.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	s, err := connect(ctx, url, o)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(s.explain("open", err), s.disconnect())
	}
	if !o.ReadOnly {
		go s.write()
		go s.acknowledge()
		if s.log != "" {
			go s.tend()
		}
		if s.dialect.tell != "" {
			s.listen()
		}
	}
	return s, nil
}

// prepare makes the tables ready for use.
func (s *Store) prepare(ctx context.Context) error {
	if s.options.ReadOnly {
		return s.sameVersion(ctx)
	}
	if err := s.upgrade(ctx); err != nil {
		return err
	}
	return s.refill(ctx)
}

// Close ends the store after what is being written was written.
func (s *Store) Close() error {
	var err error
	s.stop.Do(func() {
		if s.deafen != nil {
			s.deafen()
			<-s.deaf
		}
		if !s.options.ReadOnly {
			close(s.stopped)
			<-s.ended
		}
		s.changes.close()
		err = s.disconnect()
	})
	return err
}

func (s *Store) disconnect() error {
	first := s.session.close()
	for _, db := range []*sql.DB{s.reads, s.db, s.owner} {
		if db != nil {
			first = errors.Join(first, db.Close()) // closing twice is closing once
		}
	}
	return first
}

// Check reads the whole history and returns an error where it is damaged. It takes as long as the history is large.
func (s *Store) Check(ctx context.Context) error {
	if s.dialect == &postgresDialect {
		return s.explain("check", s.db.PingContext(ctx))
	}
	return s.explain("check", check(ctx, s.reads, "integrity_check"))
}

// Size returns how many bytes the history takes.
func (s *Store) Size(ctx context.Context) (int64, error) {
	var n int64
	err := s.reads.QueryRowContext(ctx, s.dialect.size).Scan(&n)
	return n, s.explain("measure", err)
}
