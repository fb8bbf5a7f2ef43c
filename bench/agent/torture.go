// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/node/tail"
)

// A verifier counts how often each record is given.
type verifier struct {
	mu   sync.Mutex
	seen []uint8
	part map[uint64][]byte
}

var mark = []byte("seq=")

func (v *verifier) take(c tail.Chunk) {
	v.mu.Lock()
	defer v.mu.Unlock()
	line := v.part[c.File]
	for piece := range bytes.SplitAfterSeq(c.Data, []byte{'\n'}) {
		line = append(line, piece[:min(len(piece), 80)]...)
		if !bytes.HasSuffix(piece, []byte{'\n'}) {
			continue
		}
		if _, after, ok := bytes.Cut(line, mark); ok && len(after) >= 10 {
			if n, err := strconv.Atoi(string(after[:10])); err == nil && n < len(v.seen) {
				v.seen[n]++
			}
		}
		line = line[:0]
	}
	v.part[c.File] = line
}

func (v *verifier) tally(count int) (lost, twice int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.seen[:count] {
		switch {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	return lost, twice
}

// A victim is a log whose records are numbered.
type victim struct {
	*log
	seq int
	pad []byte
}

// batch writes about 64 KiB of records, with parts of lines, NULs and bytes that are no UTF-8.
func (t *victim) batch() error {
	var buf []byte
	for len(buf) < 64<<10 {
		buf = fmt.Appendf(buf, "2026-01-02T03:%02d:%02d.%09dZ stdout %c seq=%010d ", t.seq/60%60, t.seq%60, t.seq%1e9, "FFFP"[t.seq%4], t.seq)
		buf = append(append(buf, t.pad[:50+t.seq%150]...), '\n')
		t.seq++
	}
	n, err := t.f.Write(buf)
	t.size += int64(n)
	return err
}

// torture writes 50 MB/s to one log and does to it all that can be done.
func (b *bench) torture(ctx context.Context) error {
	dir := filepath.Join(b.dir, "torture")
	l, err := newLog(filepath.Join(dir, "pods"), 0)
	if err != nil {
		return err
	}
	v := &verifier{seen: make([]uint8, 100e6), part: map[uint64][]byte{}}
	r, err := tail.New(tail.Options{Root: filepath.Join(dir, "pods"), Spool: filepath.Join(dir, "spool"), Owner: os.Getuid(), All: true, Rate: 1 << 30, Sink: v.take})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t := &victim{log: l, pad: bytes.Repeat([]byte("text \x00\xff\xfe\xc0 "), 40)}
	err = t.suffer(ctx, time.Duration(b.seconds)*time.Second)
	lost, twice := v.tally(t.seq)
	for end := time.Now().Add(20 * time.Second); lost > 0 && time.Now().Before(end) && ctx.Err() == nil; lost, twice = v.tally(t.seq) {
		wait(ctx, 100*time.Millisecond)
	}
	s := r.Stats()
	fmt.Printf("torture: %d records, %.0f MB in %d s, lost %d, twice %d; files never opened %d, rotations %d, truncations %d\n",
		t.seq, float64(s.Bytes)/1e6, b.seconds, lost, twice, s.LostFiles, s.Rotations, s.Truncated)
	stop()
	err = errors.Join(err, <-ended, os.RemoveAll(dir))
	if lost+twice > 0 && s.LostFiles == 0 {
		err = errors.Join(err, errors.New("records were lost or given twice, and nothing says so"))
	}
	return err
}

func (t *victim) suffer(ctx context.Context, d time.Duration) error {
	ways := []func() error{t.rename, t.pack, t.rename, t.copyTruncate, t.rename, t.delete, t.longLine, t.rename}
	began := time.Now()
	written := int64(0)
	for i := 0; time.Since(began) < d && ctx.Err() == nil; {
		before := t.size
		if err := t.batch(); err != nil {
			return err
		}
		written += t.size - before
		if t.size >= rotateAt {
			if err := ways[i%len(ways)](); err != nil {
				return err
			}
			i++
		}
		if ahead := float64(written)/50e6 - time.Since(began).Seconds(); ahead > 0.01 {
			wait(ctx, time.Duration(ahead*float64(time.Second)))
		}
	}
	return nil
}

// pack compresses the newest rotated file, and rotates.
func (t *victim) pack() error {
	if n := len(t.old) - 1; n >= 0 && filepath.Ext(t.old[n]) != ".gz" {
		name := t.old[n]
		t.old[n] += ".gz"
		if err := errors.Join(compress(name, name+".tmp"), os.Rename(name+".tmp", t.old[n]), os.Remove(name)); err != nil {
			return err
		}
	}
	return t.rename()
}

func compress(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	w, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return errors.Join(err, w.Close(), out.Close())
}

func (t *victim) copyTruncate() error {
	t.turn++
	to := t.path + "." + time.Date(2026, 1, 1, 0, 0, t.turn, 0, time.UTC).Format("20060102-150405")
	data, err := os.ReadFile(t.path)
	if err != nil {
		return err
	}
	t.old, t.size = append(t.old, to), 0
	return errors.Join(os.WriteFile(to, data, 0o640), os.Truncate(t.path, 0))
}

// delete removes the log, which is written to for a while all the same.
func (t *victim) delete() error { return errors.Join(os.Remove(t.path), t.batch(), t.open()) }

// longLine writes one line of 64 MB.
func (t *victim) longLine() error {
	for range 64 {
		if _, err := t.f.Write(bytes.Repeat([]byte{'x'}, 1<<20)); err != nil {
			return err
		}
	}
	_, err := t.f.Write([]byte{'\n'})
	return errors.Join(err, t.rename())
}
