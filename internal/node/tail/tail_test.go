// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKeepsRemovedRuns(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for i := range 12 {
		c.fill(10, "starts")
		if i == 5 {
			c.fill(1, "panic: something else")
		}
		n.until("the log", n.has(c.seq-1))
		c.run++
		c.open()
		if i > 0 { // the kubelet keeps one dead container
			n.must(os.Remove(filepath.Join(c.dir, fmt.Sprint(i-1)+".log")))
		}
	}
	n.until("the run that was just begun is seen: one that is not is missed", func() bool {
		kept := slices.ContainsFunc(n.r.Runs(""), func(k Kept) bool { return k.Of.Attempt == 10 })
		return kept && n.r.Stats().Runs == 2
	})
	n.must(os.RemoveAll(filepath.Join(n.root, somePod)))
	n.until("all kept", func() bool { return n.r.Stats().Runs == 0 })
	var kept []int
	like := 0
	for _, k := range n.r.Runs("") {
		kept = append(kept, k.Of.Attempt)
		like += k.Like
	}
	// The first, the last ones, and the newest of those that ended another way. The run that was just begun wrote nothing, which is an end of its own.
	if diff := cmp.Diff([]int{0, 5, 11, 12}, kept); diff != "" || like != 9 {
		t.Errorf("%d are like those kept (-want +got):\n%s", like, diff)
	}
	log, info := readAll(t, n.r, 5)
	if !strings.Contains(log, "Z seq=00000060 panic: something else\n") || info.Missing != "" || info.Lost != 0 || info.Of.Name != "web-0" {
		t.Errorf("%+v\n%s", info, log)
	}
	if _, _, err := n.r.Open("6a1b9c1e-0000-4000-8000-000000000001", "app", 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a run that was given up: %v", err)
	}
	n.stop() // what is kept outlives the agent
	n.start()
	if again, _ := readAll(t, n.r, 5); again != log {
		t.Errorf("after a restart: %s", again)
	}
}

func TestKeepsBeginningAndEnd(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	for range 6 {
		c.fill(2000, "some text that fills a hundred kilobytes or more with all the others")
		n.until("the log", n.has(c.seq-1))
		c.rotate(3)
	}
	c.fill(10, "the last")
	n.until("the log", n.has(c.seq-1))
	check := func(when string) {
		log, info := readAll(t, n.r, 0)
		first, last := fmt.Sprintf("seq=%08d", 0), fmt.Sprintf("seq=%08d the last", c.seq-1)
		if !strings.Contains(log, first) || !strings.Contains(log, last) || len(log) < 250<<10 || len(log) > 400<<10 || info.Lost < 500<<10 || !strings.Contains(info.Missing, "not kept") {
			t.Errorf("%s: %d bytes, %+v", when, len(log), info)
		}
	}
	check("while it runs")
	n.stop()
	n.start()
	n.until("it is found again", func() bool { return n.r.Stats().Runs > 0 })
	check("after a restart")
	n.must(os.RemoveAll(filepath.Join(n.root, somePod)))
	n.until("it is kept", func() bool { return n.r.Stats().Runs == 0 })
	check("after its removal")
	if left, err := filepath.Glob(filepath.Join(n.spool, "*.head")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestEnded(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	c.fill(10, "some text")
	n.until("the log", n.has(c.seq-1))
	n.r.Ended("6a1b9c1e-0000-4000-8000-000000000001", "app", 0)
	n.until("it is kept", func() bool { return n.r.Stats().Kept == 1 })
	c.fill(10, "after all")
	n.until("all of it is kept", func() bool {
		kept := n.r.Runs("")
		return len(kept) == 1 && kept[0].Live && kept[0].Bytes > 1000
	})
}

// TestStorm has containers crash faster than anybody can look: each run is seen or counted, and none is both.
func TestStorm(t *testing.T) {
	n := newNode(t, nil)
	begun := n.container()
	begun.fill(1, "the agent runs")
	n.until("the agent", n.has(0))
	var all []*container
	for i := range 10 {
		dir := filepath.Join(n.root, fmt.Sprintf("shop_web-%d_uid-%d", i, i), "app")
		n.must(os.MkdirAll(dir, 0o755))
		all = append(all, &container{n: n, dir: dir})
	}
	made := map[int]bool{} // by the first record of each run
	seq := begun.seq
	for attempt := range 60 {
		for _, c := range all {
			c.run, c.seq = attempt, seq
			made[seq] = true
			c.open()
			c.fill(3, "crashes")
			seq = c.seq
			if attempt > 0 {
				n.must(os.Remove(filepath.Join(c.dir, fmt.Sprint(attempt-1)+".log")))
			}
		}
	}
	n.until("each run is seen or counted", func() bool {
		counted := int(n.r.Stats().LostRuns)
		n.mu.Lock()
		defer n.mu.Unlock()
		for first := range made {
			counted += n.seen[first]
		}
		return counted >= len(made)
	})
	n.stop()
	if lost := n.verify(seq); len(lost) != 3*int(n.r.Stats().LostRuns) || n.r.Stats().LostFiles > 0 {
		t.Errorf("%d records are lost: %+v", len(lost), n.r.Stats())
	}
	for _, c := range all {
		n.must(c.f.Close())
	}
}

func TestTellsWhatWasMissed(t *testing.T) {
	n := newNode(t, nil)
	c := n.container()
	c.fill(10, "some text")
	n.until("the log", n.has(c.seq-1))
	n.stop()
	n.must(os.Remove(c.path()))
	c.run = 3
	c.open()
	n.start()
	want := []string{"1 runs the log was removed while the agent did not run", "2 runs logs of attempts up to 3 were removed before they could be read"}
	n.until("the gaps", func() bool { return len(n.told()) >= len(want) })
	var got []string
	for _, g := range n.told() {
		got = append(got, fmt.Sprintf("%d %s %s", g.Count, g.Unit, g.Why))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDocker(t *testing.T) {
	docker := t.TempDir()
	id := strings.Repeat("ab", 32)
	file := filepath.Join(docker, id, id+"-json.log")
	n := newNode(t, func(o *Options) { o.Docker = docker })
	n.must(os.MkdirAll(filepath.Dir(file), 0o755))
	seq := 0
	write := func(count int) {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
		n.must(err)
		for range count {
			fmt.Fprintf(f, `{"log":"seq=%08d\n","stream":"stdout","time":"2026-01-02T03:04:05.%09dZ"}`+"\n", seq, seq)
			seq++
		}
		n.must(f.Close())
	}
	write(10)
	dir := filepath.Join(n.root, somePod, "app")
	n.must(os.MkdirAll(dir, 0o755))
	n.must(os.Symlink(file, filepath.Join(dir, "0.log")))
	n.all(seq)
	n.must(os.Rename(file, file+".1"))
	write(10)
	n.all(seq)
	n.none(seq)
	if log, _ := readAll(t, n.r, 0); !strings.HasPrefix(log, "2026-01-02T03:04:05.000000000Z seq=00000000\n") || strings.Count(log, "\n") != seq {
		t.Error(log)
	}
	n.must(os.RemoveAll(filepath.Dir(file)))
	n.must(os.RemoveAll(filepath.Join(n.root, somePod)))
	n.until("it is kept", func() bool { return n.r.Stats().Runs == 0 })
	if log, _ := readAll(t, n.r, 0); strings.Count(log, "\n") != seq {
		t.Error(log)
	}
}

func TestSheds(t *testing.T) {
	n := newNode(t, func(o *Options) { o.Rate = 1 << 20 })
	c := n.container()
	c.fill(100000, "much more than may be read in a second")
	n.until("it sheds", func() bool { return n.r.Stats().Shed > 0 })
	c.fill(1, "the last")
	n.until("the last", n.has(c.seq-1))
	if log, _ := readAll(t, n.r, 0); !strings.Contains(log, "seq=00000000") || !strings.Contains(log, "the last") {
		t.Error("what is kept does not depend on what is shed")
	}
}

func TestBudget(t *testing.T) {
	s, err := openSpool(t.TempDir(), 100<<10)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 50 {
		h := header{Key: Key{fmt.Sprint("pod", i), "app", 0}, At: at.Add(time.Duration(i) * time.Second)}
		if err := s.put(h, content{end: bytes.Repeat([]byte("x"), 10<<10), total: 10 << 10}); err != nil {
			t.Fatal(err)
		}
		if s.bytes > s.budget {
			t.Fatalf("%d bytes", s.bytes)
		}
	}
	files, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil || len(files) != len(s.kept) || !s.has(Key{"pod49", "app", 0}) || s.has(Key{"pod0", "app", 0}) {
		t.Errorf("%d files for %d logs, %v", len(files), len(s.kept), err)
	}
}

func TestPrinted(t *testing.T) {
	for in, want := range map[string]string{
		"2016-10-06T00:17:09.669794202Z stdout F a\n":                                                         "2016-10-06T00:17:09.669794202Z a\n",
		"2016-10-06T00:17:09.6+02:00 stderr F a\n":                                                            "2016-10-06T00:17:09.600000000+02:00 a\n",
		"2016-10-06T00:17:09Z stdout P a\n2016-10-06T00:17:10Z stderr F e\n2016-10-06T00:17:11Z stdout F b\n": "2016-10-06T00:17:10.000000000Z e\n2016-10-06T00:17:09.000000000Z ab\n",
		"2016-10-06T00:17:09Z stdout P:tag a\n":                                                               "2016-10-06T00:17:09.000000000Z a\n",
		"2016-10-06T00:17:09Z stdout F \n":                                                                    "2016-10-06T00:17:09.000000000Z \n",
		"no log\n":                                                                                            "no log\n",
		`{"log":"a","stream":"stdout","time":"2016-10-06T00:17:09Z"}` + "\n" + `{"log":"b\n","stream":"stdout","time":"2016-10-06T00:17:10Z"}`: "2016-10-06T00:17:09.000000000Z ab\n",
		"{no docker\n": "{no docker\n",
	} {
		if got := string(printed([]byte(in))); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for entry, want := range map[string]logName{
		"0.log":                     {},
		"12.log":                    {attempt: 12},
		"3.log.20260101-000000":     {attempt: 3, suffix: ".20260101-000000"},
		"3.log.20260101-000000.gz":  {attempt: 3, suffix: ".20260101-000000", gzipped: true},
		"3.log.20260101-000000.tmp": {attempt: 3, suffix: ".20260101-000000.tmp", partial: true},
		"3.log.1":                   {attempt: 3, suffix: ".1"},
	} {
		if got, ok := parseLog(entry); !ok || got != want {
			t.Errorf("%s gives %+v %v", entry, got, ok)
		}
	}
	if _, ok := parseLog("3.log.gz"); ok {
		t.Error("a compressed log has been rotated before")
	}
}

func FuzzPrinted(f *testing.F) {
	f.Add([]byte("2016-10-06T00:17:09.669794202Z stdout P a\n{\"log\":\"b\\n\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := printed(data)
		if len(out) > 0 && out[len(out)-1] != '\n' || len(out) > 3*len(data)+100 {
			t.Errorf("%q", out)
		}
		fingerprint(data)
	})
}

func FuzzNames(f *testing.F) {
	f.Add("shop_web-0_6a1b", "0.log.20260101-000000.gz")
	f.Fuzz(func(t *testing.T, dir, entry string) {
		if p, ok := parsePod(dir); ok && (strings.ContainsAny(dir, "/\x00\n ") || p.uid == "" || p.namespace+"_"+p.name+"_"+p.uid != dir) {
			t.Errorf("%q", dir)
		}
		if n, ok := parseLog(entry); ok && (strings.ContainsAny(entry, "/\x00\n ") || n.attempt < 0) {
			t.Errorf("%q", entry)
		}
		if id, ok := dockerID(entry, "/d"); ok && len(id) != 64 {
			t.Errorf("%q", entry)
		}
	})
}

// TestKilled starts an agent with what one wrote down that was killed some time later.
func TestKilled(t *testing.T) {
	var ahead atomic.Int64
	n := newNode(t, func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	state := filepath.Join(n.spool, stateName)
	c := n.container()
	c.fill(10, "before")
	n.until("the first records", n.has(c.seq-1))
	ahead.Add(int64(2 * remember))
	n.until("the state", func() bool { _, err := os.Stat(state); return err == nil })
	old, err := os.ReadFile(state)
	n.must(err)
	c.fill(10, "after it was written")
	n.until("the next records", n.has(c.seq-1))
	n.stop()
	n.must(os.WriteFile(state, old, 0o600))
	c.rotate(5)
	c.fill(10, "while it was away")
	n.start()
	n.all(c.seq)
	n.must(os.RemoveAll(filepath.Join(n.root, somePod)))
	n.until("it is kept", func() bool { s := n.r.Stats(); return s.Runs == 0 && s.Kept == 1 })
	log, info := readAll(t, n.r, 0)
	if strings.Count(log, "\n") < c.seq*3/4-2 || info.Lost != 0 || len(n.told()) > 0 {
		t.Errorf("%+v %v\n%s", info, n.told(), log)
	}
	n.mu.Lock()
	for seq := range 10 {
		if n.seen[seq] != 1 {
			t.Errorf("record %d was given %d times, though its reading was written down", seq, n.seen[seq])
		}
	}
	n.mu.Unlock()
	n.stop()
	n.must(os.WriteFile(state, []byte("[{\"files\":[{\"pos\":-1}]},null,{"), 0o600))
	n.start()
	n.until("a state that cannot be read is none", func() bool { return n.r.Stats().Failed == 1 })
}

// TestBeginningAndEndMeet: a log that is whole is printed whole, wherever its two parts meet.
func TestBeginningAndEndMeet(t *testing.T) {
	n := newNode(t, nil)
	const log = "2026-01-02T03:04:05.000000000Z stdout P the first\n2026-01-02T03:04:06.000000000Z stdout F , joined\n2026-01-02T03:04:07.000000000Z stderr F the last\n"
	key := Key{"6a1b9c1e-0000-4000-8000-000000000001", "app", 7}
	for cut := range len(log) {
		n.r.mu.Lock()
		err := n.r.spool.put(header{Key: key, Namespace: "shop", Pod: "web-0"}, content{[]byte(log[:cut]), []byte(log[cut:]), int64(len(log))})
		n.r.mu.Unlock()
		n.must(err)
		const want = "2026-01-02T03:04:05.000000000Z the first, joined\n2026-01-02T03:04:07.000000000Z the last\n"
		if got, info := readAll(t, n.r, 7); got != want || info.Missing != "" {
			t.Fatalf("cut at %d: %q, %+v", cut, got, info)
		}
	}
}

// TestNothingIsLeftOpen: a reader that cannot begin is made again and again.
func TestNothingIsLeftOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := open()
	for range 10 {
		if _, err := New(Options{Root: dir, Docker: dir, Spool: filepath.Join(file, "spool")}); err == nil {
			t.Fatal("logs are kept below a file")
		}
	}
	if after := open(); after > before+2 {
		t.Errorf("%d files are open, %d before", after, before)
	}
}
