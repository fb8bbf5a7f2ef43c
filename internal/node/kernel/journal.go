// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/record"
)

// Journal as the device has the journal read before all else.
const Journal = "journal"

// The reasons why the journal does not have all.
const (
	removed = "the journal no longer had them"
	damaged = "the journal is damaged"
	unread  = "the journal has fields that are too large, or compressed in a way that is not read"
)

// A journaled reads what systemd's journal has of the kernel. It goes on over a restart of the machine.
type journaled struct {
	r    *Reader
	root *os.Root
	in   *journal.Reader

	from    Position
	others  time.Duration // since boot, up to which another source has told
	waited  bool
	damaged int64 // that was told
	unread  int64
}

func openJournal(r *Reader) (*journaled, error) {
	if len(r.o.Journal) == 0 {
		return nil, errors.New("no directory of a journal is named")
	}
	root, err := os.OpenRoot(r.o.Root)
	if err != nil {
		return nil, fmt.Errorf("open the host's files: %w", err)
	}
	j := &journaled{r: r, root: root, from: r.at}
	if at := r.at.Journal; at.Boot != plain(r.at.Boot) || r.at.Since > time.Duration(at.Mono)*time.Microsecond { // the journal takes what the kernel wrote before
		j.others = r.at.Since
	}
	since := r.clock.at(0).Add(-time.Minute) // that of the boot itself decides
	j.in, err = journal.New(journal.Options{Root: root, Dirs: r.o.Journal, Match: []string{"_TRANSPORT=kernel", journal.Driver}, From: r.at.Journal, Since: since})
	if err == nil {
		err = j.in.Open()
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return j, nil
}

func (j *journaled) close() {
	j.in.Close()
	j.root.Close()
}

// read looks once a second for what has been added.
func (j *journaled) read(ctx context.Context, _ time.Duration) (int, error) {
	if j.waited {
		select {
		case <-ctx.Done():
			return 0, nil
		case <-time.After(quiet):
		}
	}
	n, err := j.in.Read(j.take)
	if err != nil {
		return n, err
	}
	j.waited = n == 0
	j.r.at.Journal = j.in.Cursor()
	if gap, missed := j.in.Missed(); missed {
		j.r.lost(record.Gap{From: gap.From, To: gap.To, Why: removed})
	}
	j.damaged = j.more(j.in.Damaged(), j.damaged, damaged)
	j.unread = j.more(j.in.Unread(), j.unread, unread)
	return n, nil
}

// plain is the id of a boot as the journal has it.
func plain(boot string) string { return strings.ReplaceAll(boot, "-", "") }

// more tells how many records more than before could not be read.
func (j *journaled) more(now, before int64, why string) int64 {
	if now > before {
		j.r.lost(record.Gap{To: time.Now().UTC(), Count: now - before, Why: why})
	}
	return now
}

// take takes an entry. What others wrote into the kernel's log came from there too.
func (j *journaled) take(e journal.Entry) {
	r := j.r
	boot := plain(r.at.Boot)
	if n, of := e.Dropped(); of == "kernel" {
		r.lost(record.Gap{To: e.At, Count: n, Why: overrun})
	}
	switch {
	case e.Transport != "kernel":
		return
	case e.Facility > 0 || e.Facility < 0 && e.Identifier != "kernel":
		return
	case e.Boot == boot && j.others > 0 && e.Source <= j.others:
		return
	case e.Boot != boot && j.from.Journal == (journal.Cursor{}):
		return // before anybody looked
	}
	if e.Boot == boot {
		r.at.Since = e.Source
	}
	r.counts.records.Add(1)
	r.follower.Kernel(printable([]byte(e.Message)), e.At)
}

// printable makes spaces of what is not, in place: a name of a process that contains the end of a line must not begin another record.
func printable(text []byte) []byte {
	for i, c := range text {
		if c < ' ' || c == 0x7f {
			text[i] = ' '
		}
	}
	return text
}
