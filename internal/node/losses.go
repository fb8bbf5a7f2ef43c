// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

const (
	lossesEvery = time.Minute
	lossesAgain = 10 * time.Minute // before the same is told again
)

// A loss is something that a room leaves out and only counts: often, as it looks again and again at the same. What the runtime has too
// much of is none, as its room tells that itself.
type loss struct {
	what, why string
	count     int64
}

// losses are what the rooms that run have left out so far.
func (a *agent) losses() []loss {
	var list []loss
	if r := a.usage.Load(); r != nil {
		list = append(list, loss{featureUsage, "there are more control groups of containers than are sampled", r.Counts().Over})
	}
	if r := a.logs.Load(); r != nil {
		s := r.Stats()
		list = append(list,
			loss{featureLogs, "something in the place of a log was not opened for safety: a link, a device, or a file of another owner or with another name", s.Refused},
			loss{featureLogs, "directories of logs hold more entries than are looked at", s.Entries},
			loss{featureLogs, "there are more log files than are held open", s.Unread},
			loss{featureLogs, "files of logs could not be read, or what was read could not be kept", s.Failed},
		)
	}
	return list
}

// A ledger makes gaps of losses.
type ledger struct {
	tell   func(what string, from, to time.Time, why string)
	before map[string]int64
	told   map[string]time.Time
	looked time.Time
}

// look tells of what was left out since the last look, the same once in a while.
func (l *ledger) look(now time.Time, losses []loss) {
	for _, is := range losses {
		key := is.what + is.why
		if is.count > l.before[key] && now.Sub(l.told[key]) >= lossesAgain {
			l.told[key] = now
			l.tell(is.what, l.looked, now, is.why)
		}
		l.before[key] = is.count // less than before where the room was made anew
	}
	l.looked = now
}

// watchLosses looks until the context ends.
func (a *agent) watchLosses(ctx context.Context) {
	l := &ledger{before: map[string]int64{}, told: map[string]time.Time{}, looked: time.Now(), tell: func(what string, from, to time.Time, why string) {
		a.ring.Tell(record.Entry{Gap: &record.Gap{About: a.node(), What: what, From: from.UTC(), To: to.UTC(), Why: why}})
	}}
	tick := time.NewTicker(lossesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			l.look(now, a.losses())
		}
	}
}
