// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Info says what a kept log is.
type Info struct {
	Of      evidence.Ref
	PodUID  string
	Missing string // what is not in it and why, for people; empty: it is all there
	Bytes   int64  // of the log as the runtime wrote it that are in it
	Lost    int64  // and that are not, as far as they were seen
}

// Open gives the log of a run as kubectl logs --timestamps prints it: its beginning and its end, or all of it where it is
// not longer. It comes from the files of the run while they exist, else from what was kept. Where there is neither the
// error is fs.ErrNotExist.
func (r *Reader) Open(podUID, container string, attempt int) (io.ReadCloser, Info, error) {
	key := Key{podUID, container, attempt}
	h, c, err := r.raw(key)
	if err != nil {
		return nil, Info{}, fmt.Errorf("log of attempt %d of container %s: %w", attempt, container, err)
	}
	h.Total, h.Head, h.End = c.total, int64(len(c.head)), int64(len(c.end))
	blocks := [][]byte{c.head, c.end}
	if c.missing() == 0 { // they meet within a line
		blocks = [][]byte{append(c.head, c.end...)}
	}
	return io.NopCloser(bytes.NewReader(printed(blocks...))), h.info(), nil
}

// Of tells whose a log is that Open gives, and reads nothing.
func (r *Reader) Of(podUID, container string, attempt int) (of evidence.Ref, ok bool) {
	key := Key{podUID, container, attempt}
	r.mu.Lock()
	defer r.mu.Unlock()
	if u := r.runs[key]; u != nil {
		return u.of, true
	}
	if h := r.spool.kept[key]; h != nil {
		return h.info().Of, true
	}
	return evidence.Ref{}, false
}

func (r *Reader) raw(key Key) (header, content, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u := r.runs[key]; u != nil && (u.spooled != u.total() || !r.spool.has(key)) {
		return u.header(r.o.Now()), r.compose(u), nil
	}
	if !r.spool.has(key) {
		return header{}, content{}, fs.ErrNotExist
	}
	return r.spool.read(key.file()+logEnding, true)
}

// Kept is one log that Open gives.
type Kept struct {
	Of     evidence.Ref
	PodUID string
	Live   bool      // its files still exist
	At     time.Time // when it was kept; zero while it is not
	Bytes  int64     // that the run wrote, as far as they were seen
	Like   int       // so many other runs of the container ended the same way and are not kept
}

// Runs lists the logs that Open gives, of one pod or, where none is named, of all, in order.
func (r *Reader) Runs(podUID string) []Kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Kept
	wanted := func(key Key) bool { return podUID == "" || podUID == key.PodUID }
	for key, h := range r.spool.kept {
		if !wanted(key) {
			continue
		}
		_, live := r.runs[key]
		all = append(all, Kept{h.info().Of, key.PodUID, live, h.At, h.Total, h.Like})
	}
	for key, u := range r.runs {
		if wanted(key) && !r.spool.has(key) {
			all = append(all, Kept{Of: u.of, PodUID: key.PodUID, Live: true, Bytes: u.total()})
		}
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Or(a.Of.Compare(b.Of), cmp.Compare(a.PodUID, b.PodUID)) })
	return all
}
