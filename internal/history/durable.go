// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// SQLite is told not to wait for the disk at each commit (synchronous=NORMAL): what was committed can be read at once, and the
// writer goes on. Whoever wrote is answered when the disk has it: by another goroutine, which waits for the disk once for all
// that was committed meanwhile. So a disk that takes its time delays answers, and neither the first verdict nor those
// behind it. Pages are moved from the log to the file by yet another connection, for which the writer does not wait either.

// tending is how often what was committed is moved from the log to the file.
const tending = 2 * time.Second

// logPages is the size of the log, in pages, from which the writer moves them itself: in a storm without a pause nobody else can
// bring the log to an end.
const logPages = "8000"

// pageSize is that of a new file: some packs of evidence fill a page of twice the usual size better.
const pageSize = "8192"

// A commit is jobs that were committed and are not answered yet.
type commit []*job

// acknowledge answers jobs whose commits have reached the disk, until the writer has ended.
func (s *Store) acknowledge() {
	defer close(s.ended)
	for jobs := range s.commits {
		for more := true; more; {
			select {
			case next, open := <-s.commits:
				jobs = append(jobs, next...)
				more = open
			default:
				more = false
			}
		}
		answer(jobs, s.reachDisk())
	}
}

func answer(jobs []*job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
}

// reachDisk waits until the disk has what was committed. After a log that could not be brought there, none that follows it counts: the
// disk may lack a part of it, behind which nothing is read after a power cut. Then all of it has to be in the file first.
func (s *Store) reachDisk() error {
	err := s.syncLog()
	if torn := s.torn.Swap(false); torn && err == nil {
		err = s.emptyLog(context.Background())
	}
	if err != nil {
		s.torn.Store(true)
	}
	return err
}

var errTorn = errors.New("the disk did not take all of the log of the database")

// emptyLog moves all of the log to the file, waits until the disk has that, and begins the log anew.
func (s *Store) emptyLog(ctx context.Context) error {
	var busy, logged, moved int
	err := s.reads.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved)
	if err == nil && busy != 0 {
		err = errTorn
	}
	return err
}

// syncLog brings the log to the disk. Where there is none, all of it is in the file. No lock of SQLite is on the log, so that closing
// it here lets go of none.
func (s *Store) syncLog() error {
	log, err := os.OpenFile(s.log, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the log of the database: %w", err)
	}
	defer log.Close()
	return log.Sync()
}

// tend moves what was committed from the log to the file, until the store is closed.
func (s *Store) tend() {
	tick := time.NewTicker(tending)
	defer tick.Stop()
	for {
		select {
		case <-s.stopped:
			return
		case <-tick.C:
			_, _, _ = s.move(context.Background())
		}
	}
}

// move returns how many pages are in the log, and how many of them are in the file as well by now. What cannot be moved stays in the log,
// which is as good a place, unless the disk did not take that: who waits for the log next would not be told again.
func (s *Store) move(ctx context.Context) (logged, moved int, err error) {
	var busy int
	err = s.reads.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &logged, &moved)
	if codeOf(err) == sqliteIO {
		s.torn.Store(true)
	}
	return logged, moved, err
}
