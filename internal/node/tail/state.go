// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"
)

// What an agent knew when it last wrote it down, so that the next one reads nothing twice and can tell what it missed.
// It is at most ten seconds old: what a killed agent read after that is read again, and kept once all the same, because
// what is kept has the name of its run.
type runState struct {
	Key
	Namespace string      `json:"namespace"`
	Pod       string      `json:"pod_name"`
	Base      int64       `json:"base,omitempty"`
	Early     bool        `json:"early,omitempty"`
	Torn      int         `json:"torn,omitempty"`
	Shed      int64       `json:"shed,omitempty"`
	Head      bool        `json:"head,omitempty"`
	Spooled   int64       `json:"spooled"`
	Files     []fileState `json:"files"`
}

type fileState struct {
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Pos   int64  `json:"pos"`
	Nr    uint64 `json:"nr"`
	Last  []byte `json:"last,omitempty"`
	Head  []byte `json:"head,omitempty"`
	Done  bool   `json:"done,omitempty"`  // it was put aside; its bytes are in Base
	Again bool   `json:"again,omitempty"` // it has nothing of its own
}

func (s fileState) ident() ident { return ident{s.Dev, s.Ino} }

func (s fileState) mark() mark {
	return mark{s.Pos, s.Nr, append(make([]byte, 0, overlap), s.Last...), slices.Clone(s.Head)}
}

// mostState bounds the file, whose content is only as good as the disk.
const mostState = 16 << 20

// load reads what the last agent knew. Without it, or with one that cannot be read, this is the first.
func (r *Reader) load() bool {
	f, err := r.spool.root.Open(stateName)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	var states []*runState
	if err := json.NewDecoder(io.LimitReader(f, mostState)).Decode(&states); err != nil {
		r.stats.Failed++
		return false
	}
	for _, s := range states {
		if s != nil && s.sane() {
			r.past[s.Key] = s
			for _, f := range s.Files {
				r.serial = max(r.serial, f.Nr)
			}
		}
	}
	return true
}

func (s *runState) sane() bool {
	return !slices.ContainsFunc(s.Files, func(f fileState) bool {
		return f.Pos < 0 || len(f.Last) > overlap || len(f.Head) > headMark || int64(len(f.Last)) > f.Pos
	})
}

func (s *runState) restore(u *run) {
	u.base, u.early, u.torn, u.shed = s.Base, s.Early, s.Torn, s.Shed
	u.headKept, u.spooled, u.saved = s.Head, s.Spooled, s.Files
}

// missed tells of runs that are gone since the last agent knew them, when nothing of them is kept, and counts what is
// gone of the others.
func (r *Reader) missed() {
	for key, s := range r.past {
		if !r.spool.has(key) {
			r.stats.LostRuns++
			of := podName{s.Namespace, s.Pod, key.PodUID}.run(key.Container, key.Attempt)
			r.gap(key.PodUID, of, 1, "runs", "the log was removed while the agent did not run")
			r.closed(r.keepRest(s))
		}
	}
	clear(r.past)
	r.closed(r.spool.sweep(r.runs))
	for _, u := range r.runs {
		lost := 0
		for _, s := range u.saved {
			if !s.Done {
				u.base += s.Pos
				lost++
			}
		}
		u.saved = nil
		if lost > 0 {
			r.stats.LostFiles += int64(lost)
			r.gap(u.key.PodUID, u.of, int64(lost), "files", "log files were rotated away while the agent did not run")
		}
	}
}

// keepRest keeps the beginning of a run that is gone, where that was written down.
func (r *Reader) keepRest(s *runState) error {
	head := r.spool.head(s.Key)
	if len(head) == 0 {
		return nil
	}
	total := s.Base
	for _, f := range s.Files {
		if !f.Done {
			total += f.Pos
		}
	}
	h := header{Key: s.Key, Namespace: s.Namespace, Pod: s.Pod, At: r.o.Now(), Early: s.Early, Torn: s.Torn, Shed: s.Shed}
	return r.spool.put(h, content{head: head, total: max(total, int64(len(head)))})
}

// save writes down what is known, when something is new.
func (r *Reader) save(now time.Time) {
	if now.Sub(r.saved) < remember {
		return
	}
	r.saved = now
	if sum := r.stats.Bytes + r.stats.Shed + int64(r.serial) + int64(len(r.runs))<<32 + int64(len(r.files))<<40; sum != r.lastSave {
		r.lastSave = sum
		r.closed(r.writeState())
	}
}

func (r *Reader) writeState() error {
	states := make([]*runState, 0, len(r.runs))
	for _, u := range r.runs {
		states = append(states, u.state())
	}
	data, err := json.Marshal(states)
	if err != nil {
		return err
	}
	return r.spool.write(stateName, data)
}

func (u *run) state() *runState {
	s := &runState{Key: u.key, Namespace: u.of.Namespace, Pod: u.of.Name, Base: u.base, Early: u.early, Torn: u.torn, Shed: u.shed, Head: u.headKept, Spooled: u.spooled}
	for _, f := range u.files {
		if f.gone && f.copied == nil && !f.again { // the next agent will not find it
			s.Base += f.pos
		}
	}
	for _, f := range u.dir.files {
		if f.name.attempt == u.key.Attempt && f.copied == nil {
			s.Files = append(s.Files, f.state())
		}
	}
	return s
}

func (f *file) state() fileState {
	pos := f.pos
	if f.gzipped && f.fd >= 0 {
		pos = max(f.pos, f.skip)
	}
	return fileState{f.id.dev, f.id.ino, pos, f.serial, f.last, f.head, f.fd < 0, f.again || f.run == nil}
}
