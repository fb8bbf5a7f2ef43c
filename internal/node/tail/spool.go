// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// A spool is the directory of kept logs. Its files are named by a hash, never by what a cluster says, and each says
// itself what it is, in its first line.
type spool struct {
	root    *os.Root
	budget  int64
	bytes   int64
	evicted int64
	kept    map[Key]*header
}

// A header is the first line of a kept log.
type header struct {
	Key
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod_name"`
	At        time.Time `json:"at"`    // when it was kept
	Total     int64     `json:"total"` // bytes that the run wrote, as far as they were seen
	Head      int64     `json:"head"`  // bytes of the beginning that follow
	End       int64     `json:"end"`   // and then of the end
	Early     bool      `json:"early,omitempty"`
	Torn      int       `json:"torn,omitempty"`
	Shed      int64     `json:"shed,omitempty"`
	Like      int       `json:"like,omitempty"` // so many older runs that ended the same way were given up for it
	Mark      uint64    `json:"mark"`           // of how the log ends
}

const (
	stateName  = "state.json"
	logEnding  = ".log"
	headEnding = ".head"
	newEnding  = ".new"
	mostHeader = 4 << 10
	mostKept   = 16384 // logs
	perRun     = 8     // logs of one container
)

func openSpool(dir string, budget int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of kept logs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of kept logs: %w", err)
	}
	s := &spool{root: root, budget: budget, kept: map[Key]*header{}}
	if err := s.index(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the directory of kept logs: %w", err), root.Close())
	}
	return s, nil
}

func (s *spool) close() error { return s.root.Close() }

// index reads the first line of each kept log. What is none is removed: the directory is the agent's own.
func (s *spool) index() error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, logEnding):
			if h, _, err := s.read(name, false); err == nil && name == h.file()+logEnding && len(s.kept) < mostKept {
				s.kept[h.Key] = &h
				s.bytes += h.size()
			} else {
				err = s.root.Remove(name)
				if err != nil {
					return err
				}
			}
		case strings.HasSuffix(name, newEnding):
			if err := s.root.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweep removes the beginnings of runs that are not there any more.
func (s *spool) sweep(runs map[Key]*run) error {
	of := map[string]bool{}
	for key := range runs {
		of[key.file()+headEnding] = true
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), headEnding) && !of[e.Name()] {
			err = errors.Join(err, s.root.Remove(e.Name()))
		}
	}
	return err
}

func (k Key) file() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", k.PodUID, k.Container, k.Attempt))
	return hex.EncodeToString(sum[:16])
}

func (h header) size() int64 { return h.Head + h.End }

func (s *spool) has(key Key) bool { return s.kept[key] != nil }

// read reads a kept log, or only what it is.
func (s *spool) read(name string, all bool) (header, content, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return header{}, content{}, err
	}
	defer f.Close()
	from := bufio.NewReaderSize(f, mostHeader)
	line, err := from.ReadSlice('\n')
	if err != nil {
		return header{}, content{}, fmt.Errorf("read the first line of a kept log: %w", err)
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return h, content{}, err
	}
	if h.Head < 0 || h.End < 0 || h.Head > headSize || h.End > headSize+endSize {
		return h, content{}, errors.New("a kept log of impossible size")
	}
	if !all {
		return h, content{}, nil
	}
	c := content{make([]byte, h.Head), make([]byte, h.End), h.Total}
	_, err1 := io.ReadFull(from, c.head)
	_, err2 := io.ReadFull(from, c.end)
	return h, c, errors.Join(err1, err2)
}

// put keeps the log of a run, in place of what was kept of it before.
func (s *spool) put(h header, c content) error {
	h.Total, h.Head, h.End = c.total, int64(len(c.head)), int64(len(c.end))
	h.Mark = fingerprint(c.end)
	if old := s.kept[h.Key]; old != nil {
		s.bytes -= old.size()
		h.Like = old.Like
	}
	s.kept[h.Key] = &h
	s.bytes += h.size()
	s.thin(&h)
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if s.kept[h.Key] == &h { // else it was one too many itself
		err = s.write(h.file()+logEnding, append(data, '\n'), c.head, c.end)
	}
	if err != nil {
		s.evict(&h)
	}
	s.removeHead(h.Key)
	s.fit()
	return err
}

// write replaces a file at once: whoever reads it sees the old or the new one. It is not forced to the disk; what a
// power cut takes is told by a first line that cannot be read.
func (s *spool) write(name string, data ...[]byte) error {
	f, err := s.root.OpenFile(name+newEnding, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	for _, block := range data {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, s.root.Remove(name+newEnding))
	}
	return s.root.Rename(name+newEnding, name)
}

// thin bounds what is kept of one container: its first run, its last two, and of those between the newest of each way
// to end.
func (s *spool) thin(added *header) {
	var all []*header
	for _, h := range s.kept {
		if h.PodUID == added.PodUID && h.Container == added.Container {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b *header) int { return a.Attempt - b.Attempt })
	for _, h := range surplus(all) {
		added.Like += 1 + h.Like
		s.evict(h)
	}
}

// surplus picks which of the runs of a container, in their order, are given up.
func surplus(all []*header) []*header {
	var out, middle []*header
	if len(all) <= 3 {
		return nil
	}
	ends := map[uint64]bool{all[len(all)-1].Mark: true, all[len(all)-2].Mark: true, all[0].Mark: true}
	for _, h := range slices.Backward(all[1 : len(all)-2]) {
		if ends[h.Mark] {
			out = append(out, h)
			continue
		}
		ends[h.Mark] = true
		middle = append(middle, h)
	}
	if over := len(middle) + 3 - perRun; over > 0 {
		out = append(out, middle[len(middle)-over:]...)
	}
	return out
}

// fit keeps to the budget: the oldest goes first.
func (s *spool) fit() {
	if s.bytes <= s.budget && len(s.kept) <= mostKept {
		return
	}
	all := make([]*header, 0, len(s.kept))
	for _, h := range s.kept {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *header) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.file(), b.file())) })
	for _, h := range all[:max(len(all)-1, 0)] {
		if s.bytes <= s.budget*9/10 && len(s.kept) <= mostKept*9/10 {
			return
		}
		s.evict(h)
	}
}

func (s *spool) evict(h *header) {
	s.bytes -= h.size()
	s.evicted++
	delete(s.kept, h.Key)
	if err := s.root.Remove(h.file() + logEnding); err != nil {
		return // it is not there; the next start removes what is left
	}
}

func (s *spool) putHead(key Key, head []byte) error { return s.write(key.file()+headEnding, head) }

func (s *spool) removeHead(key Key) {
	if err := s.root.Remove(key.file() + headEnding); err != nil {
		return // most runs have none
	}
}

// head returns the beginning of a run that was written down, if it was; of a run that is kept already, from there.
func (s *spool) head(key Key) []byte {
	if f, err := s.root.Open(key.file() + headEnding); err == nil {
		defer f.Close()
		if head, err := io.ReadAll(io.LimitReader(f, headSize)); err == nil {
			return head
		}
	}
	if s.has(key) {
		if _, c, err := s.read(key.file()+logEnding, true); err == nil {
			return c.head
		}
	}
	return nil
}

// fingerprint tells how a log ends, so that runs that ended the same way are known: a hash of its last lines without
// time stamps and without words that have digits in them.
func fingerprint(end []byte) uint64 {
	const most = 8 << 10
	lines := bytes.Split(bytes.TrimRight(end[max(0, len(end)-most):], "\n"), newline)
	sum := fnv.New64a()
	for _, line := range lines[max(0, len(lines)-20):] {
		if _, _, rest, ok := criLine(line); ok {
			_, line, _ = bytes.Cut(rest, []byte{' '}) // without the tag
		}
		for _, word := range bytes.FieldsFunc(line, notInWord) {
			if !bytes.ContainsAny(word, "0123456789") {
				sum.Write(append(bytes.Clone(word), ' '))
			}
		}
	}
	return sum.Sum64()
}

func notInWord(c rune) bool { return c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' }
