// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A sort is what is bounded for each run by itself.
type sort int

// The sorts, and how many of each are told at once in a minute, and how many of the last when the minute is over.
const (
	toFirst  sort = iota // a signal to the first process
	ending               // SIGKILL to it, which it cannot outlive
	toOther              // to another one
	atTheEnd             // the kernel ends what is left after the first process
)

var atOnce, atLast = [...]int{10, 10, 3, 1}, [...]int{2, 2, 2, 0}

// mostRuns bounds the runs that are counted of one minute.
const mostRuns = 2048

type key struct {
	uid   string
	about evidence.Ref
	sort  sort
}

// sent is what was sent to one run in this minute.
type sent struct {
	count int
	last  []record.Entry
}

// bounds keeps what is told of one run within measure.
type bounds struct{ runs map[key]*sent }

// add tells a fact, keeps it until the minute is over, or only counts it. It is false where it can do none of it.
func (b *bounds) add(k key, e record.Entry, tell func(record.Entry)) bool {
	s := b.runs[k]
	if s == nil {
		if len(b.runs) >= mostRuns {
			return false
		}
		s = &sent{}
		b.runs[k] = s
	}
	if s.count++; s.count <= atOnce[k.sort] {
		tell(e)
		return true
	}
	s.last = append(s.last, e)
	if n := len(s.last) - max(atLast[k.sort], 1); n > 0 {
		s.last = append(s.last[:0], s.last[n:]...)
	}
	return true
}

// flush tells the last of each run, with how many there were before them.
func (b *bounds) flush(tell func(record.Entry)) {
	for k, s := range b.runs {
		for i, e := range s.last {
			if n := s.count - atOnce[k.sort] - len(s.last); i == 0 && n > 0 {
				before := fmt.Sprintf(" (and %d more before it)", n)
				e.Fact.Text += before
				if e.Brief != "" {
					e.Brief += before
				}
			}
			tell(e)
		}
	}
	clear(b.runs)
}

// A budget is how many lookups there may be: a thousand at once, and as many each second.
type budget struct {
	left   int
	second time.Time
}

const mostLookups = 1000

func (b *budget) take(now time.Time) bool {
	if now.Sub(b.second) >= time.Second || now.Before(b.second) {
		b.second, b.left = now, mostLookups
	}
	b.left--
	return b.left >= 0
}
