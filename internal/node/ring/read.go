// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

// errEnough ends the reading of a segment.
var errEnough = errors.New("the reader has enough")

// Read gives the entries from number from on that are there when it begins, oldest first, while others are appended. Where
// entries are not there any more, or cannot be read, a gap with the last of their numbers says how many. From 0 it begins with the
// oldest that is kept. An error ends it.
func (r *Ring) Read(from uint64) iter.Seq2[record.Entry, error] {
	r.mu.Lock()
	segments := slices.Clone(r.segments)
	r.mu.Unlock()
	return r.read(segments, from)
}

func (r *Ring) read(segments []segment, from uint64) iter.Seq2[record.Entry, error] {
	return func(yield func(record.Entry, error) bool) {
		c := cursor{ring: r, next: from, yield: yield}
		if from == 0 && len(segments) > 0 {
			c.next = segments[0].first
		}
		for _, s := range segments {
			if !s.entries() || s.last < c.next {
				continue
			}
			switch err := c.segment(s); {
			case errors.Is(err, errEnough):
				return
			case err != nil:
				yield(record.Entry{}, fmt.Errorf("read the record: %w", err))
				return
			}
		}
	}
}

// A cursor is where a reader stands.
type cursor struct {
	ring  *Ring
	next  uint64
	yield func(record.Entry, error) bool
}

func (c *cursor) segment(s segment) error {
	in, err := c.ring.root.Open(s.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it made room; the next one shows that numbers are missing
	}
	if err != nil {
		return err
	}
	defer in.Close()
	begin, err := in.Seek(s.before(c.next), io.SeekStart)
	if err != nil {
		return err
	}
	return eachLine(io.LimitReader(in, s.size-begin), c.line)
}

func (c *cursor) line(data []byte, seq uint64, _ int64) error {
	if data == nil || seq < c.next {
		return nil
	}
	e, ok := parse(data)
	if !ok {
		return nil // its number is missing to whoever reads on
	}
	if missing := seq - c.next; missing > 0 && missing != leap && !c.yield(c.gap(missing, e), nil) {
		return errEnough
	}
	c.next = coveredBy(e) + 1
	if !c.yield(e, nil) {
		return errEnough
	}
	return nil
}

// gap stands for entries that are missing before one. With more of them than a power cut leaves out it is not known how many
// there were.
func (c *cursor) gap(missing uint64, before record.Entry) record.Entry {
	count := int64(missing)
	if missing > leap {
		count = 0
	}
	e := c.ring.gap(time.Time{}, count, "records", "they made room for newer ones, or could not be read")
	e.Seq, e.At, e.Gap.To = before.Seq-1, before.At, before.At
	return e
}

// Wait returns when there is an entry of that number or a later one, or with the error of the context.
func (r *Ring) Wait(ctx context.Context, seq uint64) error {
	for {
		r.mu.Lock()
		next, more, closed := r.next(), r.more, r.closed
		r.mu.Unlock()
		switch {
		case next > seq:
			return nil
		case closed:
			return fs.ErrClosed
		}
		select {
		case <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// keepSynced makes the disk have what was taken, every second, and says that the agent runs.
func (r *Ring) keepSynced() error {
	defer close(r.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return nil
		case <-tick.C:
			_ = r.Sync() // what the disk does not take now it is asked to take again in a second
			now := r.o.Now()
			if err := r.root.Chtimes(alive, now, now); errors.Is(err, fs.ErrNotExist) {
				_ = r.mark(false) // the disk was full when the ring was opened
			}
		}
	}
}

// unsynced tells that the disk has from now on what the kernel gives it in its own time.
func (r *Ring) unsynced(err error) {
	r.Tell(r.gap(r.o.Now(), 0, "", "it is not synced to the disk each second any more: "+err.Error()))
}

// Sync returns when the disk has what was taken before.
func (r *Ring) Sync() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	retired, active, dirty := r.retired, r.active, r.dirty
	r.retired, r.dirty = nil, false
	r.mu.Unlock()
	var errs []error
	for _, f := range retired {
		errs = append(errs, f.Sync(), f.Close())
	}
	if !dirty {
		return errors.Join(errs...)
	}
	if err := active.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // closed: by a sync that came between
		errs = append(errs, err)
		r.mu.Lock()
		r.dirty = true
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Close makes the disk have everything and lets another agent open the ring. Readers may go on.
func (r *Ring) Close() error {
	r.once.Do(func() { close(r.stop) })
	<-r.done
	err := r.Sync()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	close(r.more)
	r.more = make(chan struct{})
	err = errors.Join(err, r.active.Close(), r.mark(true))
	r.lock.Close()
	return err
}

// release gives back what a failed Open holds.
func (r *Ring) release() {
	if r.active != nil {
		r.active.Close()
	}
	if r.lock != nil {
		r.lock.Close()
	}
	r.root.Close()
}
