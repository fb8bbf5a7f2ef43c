// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	lookBack    = time.Hour   // into the journal, where no earlier reader was
	saveAfter   = time.Minute // where nothing was told: what is read again then tells nothing either
	mostBatches = 16          // of entries in one look
	mostLines   = 64          // of one entry
	soon        = 50 * time.Millisecond

	theJournal = "the journal"
)

// A unitLog reads what the journal has of units.
type unitLog struct {
	reader  *journal.Reader
	words   *hostlog.Follower
	units   []string
	saved   journal.Cursor
	savedAt time.Time

	dropped                  []record.Gap // what journald did not take
	skipped, damaged, unread int64        // that were told
}

// newUnitLog reads what a unit itself logs, and what systemd says of it.
func newUnitLog(root *os.Root, o *Options) (*unitLog, error) {
	match := []string{journal.Driver}
	for _, unit := range o.Units {
		match = append(match, "_SYSTEMD_UNIT="+unit, "UNIT="+unit)
	}
	reader, err := journal.New(journal.Options{Root: root, Dirs: o.Journal, Match: match, From: o.From, Since: o.Now().Add(-lookBack)})
	if err != nil {
		return nil, err
	}
	return &unitLog{reader: reader, words: hostlog.Follow(o.Node.Name), units: o.Units, saved: o.From, savedAt: o.Now()}, nil
}

func (u *unitLog) close(c *Checker) {
	u.words.End()
	c.words(u.words, theJournal, &u.skipped)
	u.save(c)
	u.reader.Close()
}

// followUnits reads what has come, and tells of its troubles.
func (c *Checker) followUnits(context.Context) time.Duration {
	u, now := c.unitLog, c.options.Now()
	n, read := 0, 1
	for i := 0; i < mostBatches && read > 0; i++ {
		var err error
		if read, err = u.reader.Read(u.take); err != nil {
			c.missing("node-log", theJournal, err.Error()+": mount the host's, which root and the group systemd-journal may read, or name files by --node-logs")
			return fileEvery // there is none to read yet; one that comes is read from an hour before
		}
		n += read
	}
	c.there("node-log", theJournal)
	if n == 0 {
		u.words.Quiet(now)
	}
	told := c.words(u.words, theJournal, &u.skipped)
	if gap, missed := u.reader.Missed(); missed {
		c.gap(record.Gap{What: "node-log", From: gap.From, To: gap.To, Unit: "records", Why: theJournal + " no longer had them"})
	}
	for _, gap := range u.dropped {
		c.gap(gap)
	}
	dropped := len(u.dropped)
	u.dropped = nil
	c.more(u.reader.Damaged(), &u.damaged, theJournal+" is damaged")
	c.more(u.reader.Unread(), &u.unread, theJournal+" has fields that are too large, or compressed in a way that is not read")
	if (told+dropped > 0 || now.Sub(u.savedAt) >= saveAfter) && !u.words.Pending() {
		u.save(c)
	}
	if read > 0 {
		return soon
	}
	return 0
}

// take reads an entry. What is about a unit is to be believed of systemd itself alone.
func (u *unitLog) take(e journal.Entry) {
	from := e.SystemdUnit
	switch n, of := e.Dropped(); {
	case n > 0 && slices.Contains(u.units, of):
		u.dropped = append(u.dropped, record.Gap{What: "node-log", To: e.At, Count: n, Unit: "records", Why: of + " logged more than journald takes of one unit"})
		return
	case e.PID == 1:
		from = "systemd"
	case !slices.Contains(u.units, from):
		return
	}
	lines := 0
	for text := range strings.Lines(e.Message) {
		if lines++; lines > mostLines {
			break
		}
		u.words.Program(from, strings.TrimRight(text, "\r\n"), e.At)
	}
}

// save keeps the place up to which everything was told.
func (u *unitLog) save(c *Checker) {
	u.savedAt = c.options.Now()
	if at := u.reader.Cursor(); at != u.saved && c.options.Save != nil {
		c.options.Save(at)
		u.saved = at
	}
}
