// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	maxChunk  = 1 << 20  // that is read of a log at once
	maxBehind = 16 << 20 // that may be left of it; what is more is skipped, and counted
	maxPart   = 16 << 10 // of a line without an end
	mostSorts = 200
	perMinute = 20 // facts of one sort in a minute; what is more is counted
)

// A follower reads what is added to a log, over its rotation.
type follower struct {
	name string
	file *os.File
	at   int64
	part []byte // of a line
	why  error  // it cannot be opened
	seen bool   // the first look has been: what was there before it is not read
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
}

// follow reads each log, and tells of its troubles.
func (c *Checker) follow(context.Context) time.Duration {
	now := c.options.Now()
	for name, n := range c.words.passed(now) {
		c.gap(record.Gap{What: "node-log", From: now.Add(-time.Minute), To: now, Count: n, Unit: "records", Why: fmt.Sprintf("more than %d of the sort %s in a minute", perMinute, name)})
	}
	for _, f := range c.logs {
		text, skipped := f.more(c.root)
		if f.file == nil && f.why != nil {
			c.missing("node-log", f.why.Error())
		}
		if skipped > 0 {
			c.gap(record.Gap{What: "node-log", To: now, Count: skipped, Unit: "bytes", Why: f.name + " grew faster than it could be read"})
		}
		if len(text) == 0 {
			continue
		}
		for _, fact := range hostlog.Parse(string(text), c.options.Node.Name, now) {
			if c.words.allow(fact.Name, now) {
				fact.About = c.options.Node
				c.options.Tell(record.Entry{Fact: &fact})
			}
		}
	}
	return 0
}

// more is what was added, whole lines, and how much was skipped. A file that was replaced is read to its end first.
func (f *follower) more(root *os.Root) (text []byte, skipped int64) {
	if f.file == nil {
		if f.open(root); f.file == nil {
			f.seen = true // what comes now is new
			return nil, 0
		}
	}
	text, skipped = f.read()
	if len(text) > 0 || !f.replaced(root) {
		return text, skipped
	}
	f.close()
	text, f.part = f.part, nil
	return text, skipped
}

func (f *follower) open(root *os.Root) {
	file, err := root.OpenFile(f.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		f.why = err
		return
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.why = fmt.Errorf("read %s: %w", f.name, errKind)
		_ = file.Close()
		return
	}
	f.file, f.at, f.part, f.why = file, 0, nil, nil
	if !f.seen {
		f.at = info.Size()
	}
	f.seen = true
}

// replaced tells whether the name is another file's by now.
func (f *follower) replaced(root *os.Root) bool {
	mine, err := f.file.Stat()
	if err != nil {
		return true
	}
	theirs, err := root.Stat(f.name)
	return err == nil && !os.SameFile(mine, theirs)
}

func (f *follower) read() (text []byte, skipped int64) {
	info, err := f.file.Stat()
	if err != nil {
		return nil, 0
	}
	if info.Size() < f.at { // it was truncated
		f.at, f.part = 0, nil
	}
	if behind := info.Size() - f.at; behind > maxBehind {
		skipped = behind - maxChunk
		f.at, f.part = f.at+skipped, nil
	}
	size := min(info.Size()-f.at, maxChunk)
	if size <= 0 {
		return nil, skipped
	}
	b := make([]byte, len(f.part)+int(size))
	copy(b, f.part)
	n, err := f.file.ReadAt(b[len(f.part):], f.at)
	if err != nil && !errors.Is(err, io.EOF) && n == 0 {
		return nil, skipped
	}
	f.at += int64(n)
	return f.lines(b[:len(f.part)+n]), skipped
}

// lines keeps what has no end yet for the next time.
func (f *follower) lines(b []byte) []byte {
	end := bytes.LastIndexByte(b, '\n') + 1
	if len(b)-end > maxPart {
		f.part = nil
		return b
	}
	f.part = bytes.Clone(b[end:])
	return b[:end]
}

// A limiter counts facts by their sort.
type limiter struct {
	began time.Time
	told  map[string]int64
}

func (l *limiter) allow(name string, now time.Time) bool {
	if l.told == nil || now.Sub(l.began) >= time.Minute {
		l.began, l.told = now, map[string]int64{}
	}
	if l.told[name] == 0 && len(l.told) >= mostSorts {
		return false
	}
	l.told[name]++
	return l.told[name] <= perMinute
}

// passed is how many were too many, when a minute is over.
func (l *limiter) passed(now time.Time) map[string]int64 {
	if l.told == nil || now.Sub(l.began) < time.Minute {
		return nil
	}
	over := map[string]int64{}
	for name, n := range l.told {
		if n > perMinute {
			over[name] = n - perMinute
		}
	}
	l.told = nil
	return over
}
