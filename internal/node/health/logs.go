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
)

// A follower reads what is added to a log, over its rotation.
type follower struct {
	name    string
	file    *os.File
	at      int64
	part    []byte // of a line
	words   *hostlog.Follower
	skipped int64 // lines of those that were told to be skipped
	why     error // it cannot be opened
	seen    bool  // the first look has been: what was there before it is not read
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
	for _, f := range c.logs {
		text, lost := f.more(c.root)
		if f.file == nil && f.why != nil {
			c.missing("node-log", f.name, f.why.Error())
		}
		if f.file != nil {
			c.there("node-log", f.name)
		}
		if lost > 0 {
			c.gap(record.Gap{What: "node-log", To: now, Count: lost, Unit: "bytes", Why: f.name + " grew faster than it could be read"})
		}
		for raw := range bytes.Lines(text) {
			f.words.Add(string(bytes.TrimRight(raw, "\r\n")), now)
		}
		if len(text) == 0 {
			f.words.Quiet(now)
		}
		c.words(f.words, f.name, &f.skipped)
	}
	return 0
}

// words tells what a log says of trouble, and how many of its lines were not looked at beyond those that were told already. It returns
// how many facts that were.
func (c *Checker) words(of *hostlog.Follower, name string, skipped *int64) int {
	facts := of.Facts()
	for _, fact := range facts {
		fact.About = c.options.Node
		brief := fact.Name + ": a line in " + name // what it says may name any pod
		c.options.Tell(record.Entry{Fact: &fact, Names: record.Anybody, Brief: brief})
	}
	c.more(of.Skipped(), skipped, name+" had more of them than are looked at in a second")
	return len(facts)
}

// more tells how many records more than before were not seen.
func (c *Checker) more(now int64, before *int64, why string) {
	if now > *before {
		c.gap(record.Gap{What: "node-log", To: c.options.Now(), Count: now - *before, Unit: "records", Why: why})
		*before = now
	}
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
