// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

// A node is a directory of pods with a Reader on it, and a verifier of what the Reader gives.
type node struct {
	t           *testing.T
	root, spool string
	o           Options
	r           *Reader
	stop        func()

	mu      sync.Mutex
	streams map[uint64]*stream
	seen    map[int]int // how often a record was given
	gaps    []record.Gap
	bad     []string
}

// A stream is what came of one file. It holds the beginning of the line that is not complete yet.
type stream struct {
	next int64
	line []byte
}

func newNode(t *testing.T, change func(*Options)) *node {
	n := &node{t: t, root: t.TempDir(), spool: filepath.Join(t.TempDir(), "spool"), streams: map[uint64]*stream{}, seen: map[int]int{}}
	n.o = Options{Root: n.root, Spool: n.spool, Owner: os.Getuid(), All: true, Rate: 1 << 40, Sink: n.take, Tell: n.tell}
	if change != nil {
		change(&n.o)
	}
	n.start()
	return n
}

func (n *node) start() {
	n.t.Helper()
	r, err := New(n.o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.r = r
	ctx, cancel := context.WithCancel(n.t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Error(err)
		}
	})
	n.t.Cleanup(n.stop)
}

func (n *node) tell(e record.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps = append(n.gaps, *e.Gap)
}

func (n *node) told() []record.Gap {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.gaps)
}

var seqMark = []byte("seq=")

// take checks that each file is given without holes, and counts the records.
func (n *node) take(c Chunk) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.streams[c.File]
	if s == nil {
		s = &stream{next: c.Offset}
		n.streams[c.File] = s
	}
	if c.Offset != s.next {
		n.bad = append(n.bad, fmt.Sprintf("file %d goes from %d to %d", c.File, s.next, c.Offset))
	}
	s.next = c.Offset + int64(len(c.Data))
	for line := range bytes.SplitAfterSeq(c.Data, newline) {
		s.line = append(s.line, line[:min(len(line), 200)]...)
		if bytes.HasSuffix(line, newline) {
			if _, after, ok := bytes.Cut(s.line, seqMark); ok && len(after) >= 8 {
				seq, err := strconv.Atoi(string(after[:8]))
				if err == nil {
					n.seen[seq]++
				}
			}
			s.line = s.line[:0]
		}
	}
}

// until waits for what must happen.
func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			n.mu.Lock()
			defer n.mu.Unlock()
			n.t.Fatalf("not within 20 seconds: %s; %d records of %d files, %d gaps, bad %v, %+v", what, len(n.seen), len(n.streams), len(n.gaps), n.bad, n.r.Stats())
		}
	}
}

func (n *node) has(seq int) func() bool {
	return func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.seen[seq] > 0
	}
}

// all waits for all records.
func (n *node) all(count int) {
	n.t.Helper()
	n.until("all records", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.seen) >= count
	})
}

// verify tells the records that were not given, and fails for those that were given twice.
func (n *node) verify(count int) (lost []int) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	var twice []int
	for seq := range count {
		switch n.seen[seq] {
		case 0:
			lost = append(lost, seq)
		case 1:
		default:
			twice = append(twice, seq)
		}
	}
	if len(twice) > 0 {
		n.t.Errorf("%d records were given more than once, the first %d, the last %d", len(twice), twice[0], twice[len(twice)-1])
	}
	for _, b := range n.bad {
		n.t.Error(b)
	}
	return lost
}

func (n *node) none(count int) {
	n.t.Helper()
	if lost := n.verify(count); len(lost) > 0 {
		n.t.Errorf("%d records of %d were lost, the first %d, the last %d; %+v", len(lost), count, lost[0], lost[len(lost)-1], n.r.Stats())
	}
}

// A container writes numbered records as containerd does, and has its log rotated in every way there is.
type container struct {
	n     *node
	dir   string
	run   int
	f     *os.File
	seq   int
	turn  int
	from  int // first record of the file
	files [][2]int
}

func (n *node) container() *container {
	n.t.Helper()
	c := &container{n: n, dir: filepath.Join(n.root, somePod, "app")}
	n.must(os.MkdirAll(c.dir, 0o755))
	c.open()
	n.t.Cleanup(func() { c.f.Close() })
	return c
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (c *container) path() string { return filepath.Join(c.dir, strconv.Itoa(c.run)+".log") }

func (c *container) open() {
	f, err := os.OpenFile(c.path(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	c.n.must(err)
	if c.f != nil {
		c.files = append(c.files, [2]int{c.from, c.seq})
		c.f.Close()
	}
	c.f, c.from = f, c.seq
}

func (c *container) line(tag, text string) []byte {
	c.seq++
	return fmt.Appendf(nil, "2026-01-02T03:04:05.%09dZ stdout %s seq=%08d %s\n", c.seq-1, tag, c.seq-1, text)
}

func (c *container) write(data []byte) {
	_, err := c.f.Write(data)
	c.n.must(err)
}

// fill writes so many records, as many at once as make a few kilobytes, some in two pieces.
func (c *container) fill(records int, text string) {
	for records > 0 {
		var batch []byte
		for ; records > 0 && len(batch) < 8<<10; records-- {
			batch = append(batch, c.line([]string{"F", "F", "P", "F:x"}[c.seq%4], text)...)
		}
		cut := len(batch) - c.seq%40
		c.write(batch[:cut])
		c.write(batch[cut:])
	}
}

func (c *container) stamp() string {
	c.turn++
	return time.Date(2026, 1, 1, 0, 0, c.turn, 0, time.UTC).Format("20060102-150405")
}

// rotate does as the kubelet: what is older than four files goes, plain ones are compressed, the latest is renamed.
func (c *container) rotate(files int) {
	old, err := filepath.Glob(c.path() + ".*")
	c.n.must(err)
	slices.Sort(old)
	for len(old) > files-2 {
		c.n.must(os.Remove(old[0]))
		old = old[1:]
	}
	for _, name := range old {
		if filepath.Ext(name) != ".gz" {
			c.compress(name)
		}
	}
	c.n.must(os.Rename(c.path(), c.path()+"."+c.stamp()))
	c.open()
}

func (c *container) compress(name string) {
	c.n.must(pack(name, name+".tmp"))
	c.n.must(os.Rename(name+".tmp", name+".gz"))
	c.n.must(os.Remove(name))
}

func pack(name, to string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return errors.Join(err, w.Close(), os.WriteFile(to, buf.Bytes(), 0o640))
}

// copyTruncate does as logrotate.
func (c *container) copyTruncate() {
	data, err := os.ReadFile(c.path())
	c.n.must(err)
	c.n.must(os.WriteFile(c.path()+"."+c.stamp(), data, 0o640))
	c.n.must(os.Truncate(c.path(), 0))
}

const somePod = "shop_web-0_6a1b9c1e-0000-4000-8000-000000000001"

// TestTortureRotation rotates as fast as files exist: each lives for three rotations, in which the reader has one look.
func TestTortureRotation(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for range 60 {
		for range 3 {
			c.fill(400, "some text that makes the line longer, \x00 and \xff\xfe too")
			c.rotate(6)
		}
		c.fill(1, "the first of a file")
		n.until("the new file", n.has(c.seq-1))
	}
	n.all(c.seq)
	n.none(c.seq)
	if s := n.r.Stats(); s.LostFiles != 0 {
		t.Errorf("no file was lost: %+v", s)
	}
}

// TestTortureFlood rotates faster than anybody can look. What is lost then are whole files, and nothing comes twice.
func TestTortureFlood(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for range 150 {
		c.fill(400, "some text")
		c.rotate(3)
	}
	c.fill(1, "the last")
	n.until("the last record", n.has(c.seq-1))
	n.until("all records, or some files are counted", func() bool {
		counted := n.r.Stats().LostFiles > 0
		n.mu.Lock()
		defer n.mu.Unlock()
		return counted || len(n.seen) == c.seq
	})
	n.stop()
	lost := n.verify(c.seq)
	for _, f := range c.files {
		i, found := slices.BinarySearch(lost, f[0])
		if found && i+f[1]-f[0] <= len(lost) && lost[i+f[1]-f[0]-1] == f[1]-1 {
			lost = slices.Delete(lost, i, i+f[1]-f[0])
		}
	}
	if len(lost) > 0 && len(n.told()) == 0 {
		t.Errorf("%d records are lost of files that were seen", len(lost))
	}
}

func TestTortureKeptPace(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for range 40 {
		c.fill(300, "some text")
		c.rotate(3)
		c.fill(1, "the first of a file")
		n.until("the new file", n.has(c.seq-1))
	}
	n.all(c.seq)
	n.none(c.seq)
	if s := n.r.Stats(); s.LostFiles != 0 || s.Rotations != 40 || s.Gzip != 0 {
		t.Errorf("nothing was lost, and what was read plain is not unpacked: %+v", s)
	}
}

func TestTortureTruncate(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for i := range 12 {
		c.fill(10+500*(i%3), "some text")
		n.until("the last record", n.has(c.seq-1))
		c.n.must(os.Truncate(c.path(), 0))
		c.fill(10+900*(i%2), "some text") // longer than before as well as shorter
	}
	n.until("the last record", n.has(c.seq-1))
	n.none(c.seq)
	if s := n.r.Stats(); s.Truncated != 12 {
		t.Errorf("12 truncations: %+v", s)
	}
}

func TestTortureCopyTruncate(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for i := range 8 { // without waiting for the reader
		c.fill(3000, "some text")
		c.copyTruncate()
		c.fill(100, "some text")
		n.until("what came after", n.has(c.seq-1))
		if i%3 == 2 {
			old, err := filepath.Glob(c.path() + ".*0[0-9]")
			n.must(err)
			c.compress(old[0])
		}
	}
	n.all(c.seq)
	n.none(c.seq)
}

func TestTortureDelete(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for range 10 {
		c.fill(100, "some text")
		n.until("the file", n.has(c.from))
		c.n.must(os.Remove(c.path()))
		c.fill(200, "written to a file without a name")
		c.open()
		c.fill(100, "some text")
		n.until("the new file", n.has(c.seq-1))
	}
	n.all(c.seq)
	n.none(c.seq)
}

func TestTortureLongLine(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	long := bytes.Repeat([]byte{'x', 0, 0xff, 0xc0}, 2<<20)
	c.fill(10, "before")
	c.write(bytes.TrimSuffix(c.line("F", "long"), newline))
	c.write(long)
	c.write(newline)
	c.fill(10, "after")
	n.until("the last record", n.has(c.seq-1))
	n.none(c.seq)
}

func TestTortureSparse(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	c.fill(10, "before")
	n.must(c.f.Truncate(1 << 40))
	c.fill(10, "after")
	n.until("the last record", n.has(c.seq-1))
	if s := n.r.Stats(); s.Holes < 1<<39 || s.Bytes > 8<<20 {
		t.Errorf("a hole is not read: %+v", s)
	}
}

// TestTortureRestart stops the agent again and again while logs are rotated and compressed.
func TestTortureRestart(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for i := range 8 {
		c.fill(500, "some text")
		if i%2 == 0 {
			n.until("the last record", n.has(c.seq-1))
		} else {
			n.until("the file", n.has(c.from))
		}
		n.stop()
		for range i % 3 {
			c.fill(100, "while it was away")
			c.rotate(5)
		}
		n.start()
	}
	c.fill(1, "the last")
	n.all(c.seq)
	n.mu.Lock()
	n.bad = nil // a stream begins anew with each agent
	n.mu.Unlock()
	n.none(c.seq)
}

func readAll(t *testing.T, r *Reader, attempt int) (string, Info) {
	t.Helper()
	log, info, err := r.Open("6a1b9c1e-0000-4000-8000-000000000001", "app", attempt)
	if errors.Is(err, fs.ErrNotExist) {
		return "", info
	}
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	data, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), info
}
