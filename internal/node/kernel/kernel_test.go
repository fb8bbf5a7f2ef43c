// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const boot = "5f0c3a3e-7f54-4a39-9c12-0f4bb2f4e5aa"

// A told is whom a reader tells.
type told struct {
	sync.Mutex
	entries []record.Entry
	saves   chan Position
}

func (d *told) options() Options {
	d.saves = make(chan Position, 1000)
	return Options{
		Node: "n1",
		Tell: func(e record.Entry) {
			d.Lock()
			defer d.Unlock()
			d.entries = append(d.entries, e)
		},
		Save: func(p Position) { d.saves <- p },
		Place: func(group string) (evidence.Ref, string, bool) {
			return evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(2), "uid-1", strings.HasSuffix(group, "/abc")
		},
	}
}

// said returns what was told, a line each.
func (d *told) said() (lines []string) {
	d.Lock()
	defer d.Unlock()
	for _, e := range d.entries {
		if e.Gap != nil {
			lines = append(lines, fmt.Sprintf("gap of %d %s: %s", e.Gap.Count, e.Gap.Unit, e.Gap.Why))
		} else {
			lines = append(lines, fmt.Sprintf("%s %s%s", e.Fact.Name, e.About(), e.PodUID))
		}
	}
	return lines
}

// A device is a stand-in for /dev/kmsg: a pipe that keeps records apart.
type device struct{ read, write *os.File }

func newDevice(t *testing.T) device {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_DIRECT|unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	d := device{os.NewFile(uintptr(fds[0]), "kmsg"), os.NewFile(uintptr(fds[1]), "kmsg")}
	t.Cleanup(func() { d.read.Close(); d.write.Close() })
	return d
}

func (d device) say(t testing.TB, seq int, text string) {
	t.Helper()
	if _, err := fmt.Fprintf(d.write, "4,%d,%d,-,caller=T1;%s\n SUBSYSTEM=net\n", seq, 1000*seq, text); err != nil {
		t.Error(err)
	}
}

// reads runs a reader over the device until it has saved the place after the record of that number.
func reads(t *testing.T, d device, from Position, until int) (*told, Position) {
	t.Helper()
	who := &told{}
	o := who.options()
	o.From = from
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.begin(boot, clock{time.Unix(1_000_000, 0)})
	k, err := newKmsg(r, d.read)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- r.follow(ctx, k) }()
	var at Position
	for at = range who.saves {
		if at.Seq >= uint64(until) {
			break
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return who, at
}

const kill = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kubepods/pod1,task_memcg=/kubepods/pod1/abc,task=app,pid=7,uid=0"
const killed = "Memory cgroup out of memory: Killed process 7 (app) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0"

func TestKmsg(t *testing.T) {
	d := newDevice(t)
	d.say(t, 10, kill)
	d.say(t, 11, killed)
	d.say(t, 15, "EXT4-fs error (device sda1): x")
	d.say(t, 16, `app\x0aBUG: Bad page state[7]: segfault at 0 ip 0 sp 0`)
	if _, err := d.write.WriteString("12,17,17000,-;BUG: unable to handle page fault, says a program\n"); err != nil {
		t.Fatal(err)
	}
	who, at := reads(t, d, Position{Boot: "another", Seq: 4000}, 17)
	want := []string{
		"oom-kill pod/web-0[app]#2uid-1",
		"fs-error node/n1",
		"segfault node/n1",
		"gap of 10 records: the kernel's ring no longer had them when the agent began",
		"gap of 3 records: the kernel's ring was overrun",
	}
	got := who.said()
	slices.Sort(got) // the order of facts and gaps is not that of the log
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (Position{Boot: boot, Seq: 17, Since: 17 * time.Millisecond}); at != want {
		t.Errorf("saved %+v, expected %+v", at, want)
	}
}

// TestOtherNode has a node that is a container, and a kill on another one of the same machine.
func TestOtherNode(t *testing.T) {
	for below, want := range map[string]int{"": 1, "kubepods": 1, "/n2/": 0, "kube": 0} {
		who := &told{}
		o := who.options()
		o.Below = below
		r, _ := New(o)
		r.begin(boot, bootClock())
		for i, text := range []string{kill, killed} {
			r.take(0, time.Duration(i+1), []byte(text))
		}
		r.tell(time.Now())
		if got := who.said(); len(got) != want {
			t.Errorf("below %q: %q", below, got)
		}
	}
}

// TestNewContainer has a kill in a container of which the runtime tells late, and one in a container of which it does not tell in time.
func TestNewContainer(t *testing.T) {
	for name, c := range map[string]struct {
		knows bool
		after time.Duration
		want  int
	}{
		"not yet": {false, earlyEach, 0}, "by now": {true, earlyEach, 1}, "too late": {false, earlyTime + time.Millisecond, 1}, "before the end": {false, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			who := &told{}
			o := who.options()
			knows := false
			o.Knows = func(string) bool { return knows }
			r, _ := New(o)
			r.begin(boot, bootClock())
			for i, text := range []string{kill, killed} {
				r.take(0, time.Duration(i+1), []byte(text))
			}
			at := r.clock.at(1)
			if r.tell(at) || len(who.said()) != 0 {
				t.Fatalf("told %q at once", who.said())
			}
			r.settle(at, true)
			knows = c.knows
			r.tell(map[bool]time.Time{true: at.Add(c.after)}[c.after > 0])
			if got := who.said(); len(got) != c.want {
				t.Errorf("told %q", got)
			}
			if len(who.saves) != 0 {
				t.Error("its place is saved before it is told")
			}
			if r.settle(at, true); len(who.saves) != c.want {
				t.Errorf("saved %d times", len(who.saves))
			}
		})
	}
}

// TestNamesOfProcesses: what names processes of any pod is for those who may see all of them.
func TestNamesOfProcesses(t *testing.T) {
	who := &told{}
	r, err := New(who.options())
	if err != nil {
		t.Fatal(err)
	}
	r.begin(boot, bootClock())
	for i, text := range []string{"shop[7]: segfault at 0 ip 1 sp 2 error 4 in shop[1+2]", "nf_conntrack: nf_conntrack: table full, dropping packet"} {
		r.take(0, time.Duration(i+1), []byte(text))
	}
	r.end()
	if len(who.entries) != 2 || who.entries[0].Names != record.Anybody || strings.Contains(who.entries[0].Brief, "shop") || who.entries[1].Names != "" {
		t.Errorf("told %+v", who.entries)
	}
}

// TestFloodIsFree reads records that mean nothing: none of them may cost memory.
func TestFloodIsFree(t *testing.T) {
	who := &told{}
	r, _ := New(who.options())
	r.begin(boot, bootClock())
	k := &kmsg{r: r, first: true}
	line := []byte("6,0,624887185,-,caller=T1;IPv4: martian source 10.244.1.7 from 10.244.0.1, on dev eth0\n SUBSYSTEM=net\n")
	if n := testing.AllocsPerRun(10_000, func() {
		k.record(line, false)
		k.first = true
	}); n > 0 {
		t.Errorf("%f allocations a record", n)
	}
}

// BenchmarkRecord is the cost of one record of a flood that means nothing, without that of reading it.
func BenchmarkRecord(b *testing.B) {
	r, _ := New((&told{}).options())
	r.begin(boot, bootClock())
	k := &kmsg{r: r, first: true}
	line := []byte("6,0,624887185,-,caller=T1;IPv4: martian source 10.244.1.7 from 10.244.0.1, on dev eth0\n SUBSYSTEM=net\n")
	b.ReportAllocs()
	for b.Loop() {
		k.record(line, false)
	}
}

// TestKmsgGoesOn has a reader that begins again: what it told is told no more, and what went missing meanwhile is counted.
func TestKmsgGoesOn(t *testing.T) {
	d := newDevice(t)
	for seq := range 5 {
		d.say(t, seq, "nf_conntrack: table full, dropping packet")
	}
	who, at := reads(t, d, Position{Boot: boot, Seq: 2}, 4)
	if got := who.said(); len(got) != 2 {
		t.Errorf("told %q", got)
	}
	d.say(t, 8, "nf_conntrack: table full, dropping packet")
	who, _ = reads(t, d, at, 8)
	if got := strings.Join(who.said(), "\n"); !strings.Contains(got, "gap of 3 records: the kernel's ring went round while the agent did not read it") || strings.Count(got, "conntrack") != 1 {
		t.Errorf("told %s", got)
	}
}

// TestKmsgAfterAnotherSource: what the journal told is told no more, and is no gap.
func TestKmsgAfterAnotherSource(t *testing.T) {
	d := newDevice(t)
	for seq := range 6 {
		d.say(t, 7+seq, "nf_conntrack: table full, dropping packet")
	}
	who, _ := reads(t, d, Position{Boot: boot, Since: 10 * time.Millisecond}, 12)
	if got := who.said(); len(got) != 2 || strings.Contains(strings.Join(got, ""), "gap") {
		t.Errorf("told %q", got)
	}
}

// A fakeRing is what syslog(2) gives: the newest lines that fit.
type fakeRing struct {
	sync.Mutex
	text []byte
}

func (f *fakeRing) call(kind int, buf []byte) (int, error) {
	f.Lock()
	defer f.Unlock()
	if kind == unix.SYSLOG_ACTION_SIZE_BUFFER {
		return 32 << 10, nil
	}
	text := f.text
	for len(text) > len(buf) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return copy(buf, text), nil
}

func (f *fakeRing) say(format string, args ...any) {
	f.Lock()
	defer f.Unlock()
	f.text = fmt.Appendf(f.text, format+"\n", args...)
	if n := len(f.text) - 32<<10; n > 0 {
		f.text = f.text[n+bytes.IndexByte(f.text[n:], '\n')+1:]
	}
}

func TestRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, who := &fakeRing{}, &told{}
		for i := range 300 {
			f.say("<6>[  %3d.000001][    C1] nothing %d", i+100, i)
		}
		f.say("<4>[  400.000001][ T77] nf_conntrack: table full, dropping packet")
		f.say("<30>[  400.000002] systemd[1]: Oops: a program")
		o := who.options()
		o.From = Position{Boot: boot, Since: 50 * time.Second}
		r, _ := New(o)
		r.begin(boot, clock{time.Now().Add(-400 * time.Second)})
		g, err := openRing(r, f.call, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.follow(ctx, g) }()
		step := func(want ...string) {
			t.Helper()
			<-time.After(3 * time.Second / 2)
			synctest.Wait()
			if diff := cmp.Diff(want, who.said()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			who.entries = nil
		}
		step("conntrack-full node/n1", "gap of 0 records: the kernel's ring went round while the agent did not read it")
		f.say("<4>[  401.000001] nf_conntrack: table full, dropping packet")
		f.say("<4>[  401.000001] nf_conntrack: table full, dropping packet")
		step("conntrack-full node/n1", "conntrack-full node/n1")
		step()
		for i := range 2000 {
			f.say("<6>[  402.%06d] nothing", i)
		}
		f.say("<3>[  403.000001] EXT4-fs error (device sda1): x")
		step("fs-error node/n1", "gap of 0 records: the kernel's ring was overrun")
		step()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A logFile is a file that is followed.
type logFile struct {
	*file
	path string
	who  *told
}

func newLogFile(t *testing.T, text string) *logFile {
	t.Helper()
	l := &logFile{path: filepath.Join(t.TempDir(), "kern.log"), who: &told{}}
	l.write(t, os.O_APPEND, text)
	l.begin(t, Position{})
	return l
}

func (l *logFile) begin(t *testing.T, from Position) {
	t.Helper()
	o := l.who.options()
	o.From = from
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.begin(boot, bootClock())
	if l.file, err = openFile(r, l.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
}

func (l *logFile) write(t *testing.T, flag int, text string) {
	t.Helper()
	f, err := os.OpenFile(l.path, flag|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// look reads what there is, without the wait, and expects so many facts.
func (l *logFile) look(t *testing.T, want int) {
	t.Helper()
	l.who.entries, l.started = nil, false
	if _, err := l.read(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := l.who.said(); len(got) != want {
		t.Errorf("told %q, expected %d", got, want)
	}
}

func TestFile(t *testing.T) {
	const line = "Jan 01 23:59:58 n1 kernel: nf_conntrack: table full, dropping packet\n"
	l := newLogFile(t, line+line[:20])
	l.look(t, 1)
	l.write(t, os.O_APPEND, line[20:])
	l.look(t, 1)
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		t.Fatal(err)
	}
	l.look(t, 0)
	l.write(t, os.O_APPEND, line+line)
	l.look(t, 0)
	l.look(t, 2)
	l.write(t, os.O_TRUNC, "")
	l.look(t, 0)
	if l.r.missed.Why == "" {
		t.Error("that the file was emptied is not told")
	}
	l.write(t, os.O_APPEND, strings.Repeat("x", 3*maxLine)+"\n"+line)
	l.look(t, 1)
	l.write(t, os.O_APPEND, line)
	l.begin(t, l.r.at)
	l.look(t, 1)
	if n := l.r.Counts().Records; n != 1 {
		t.Errorf("%d records were read", n)
	}
}

func TestOnlyFilesAreFollowed(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/proc/self/status", link); err != nil {
		t.Fatal(err)
	}
	r, _ := New((&told{}).options())
	for _, name := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none"), "/dev/null", link} {
		if _, err := openFile(r, name); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add([]byte("6,812,624887185,-,caller=T1;a\\x0ab\\"))
	f.Add([]byte("<6>[   12.345678][ T1] text"))
	f.Add([]byte("18446744073709551615,18446744073709551615,18446744073709551615,-;"))
	f.Fuzz(func(t *testing.T, line []byte) {
		parseHead(line)
		_, since, text := parsePrinted(line)
		if since < 0 || len(text) > len(line) {
			t.Fatalf("%q: %v %q", line, since, text)
		}
		who := &told{}
		r, _ := New(who.options())
		r.begin(boot, bootClock())
		k := &kmsg{r: r, first: true}
		k.record(bytes.Clone(line), true)
		k.record(bytes.Clone(line), false)
		r.end()
		if out := unescape(bytes.Clone(line)); len(out) > len(line) || bytes.Contains(line, []byte(`\x`)) && bytes.ContainsAny(out, "\n\r") {
			t.Fatalf("%q becomes %q", line, out)
		}
	})
}

// TestBell has a ring whose bell is rung, and then not: what is found all the same tells that it is not to be trusted.
func TestBell(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	conn, err := read.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	f, who := &fakeRing{}, &told{}
	r, _ := New(who.options())
	r.begin(boot, clock{time.Now()})
	g, err := openRing(r, f.call, &bell{read, conn})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	expect := func(want int, deaf bool) {
		t.Helper()
		if n, err := g.read(t.Context(), time.Minute); n != want || err != nil || g.deaf.IsZero() == deaf {
			t.Fatalf("%d lines, %v, deaf until %v; expected %d, deaf %t", n, err, g.deaf, want, deaf)
		}
	}
	f.say("<6>[    0.000001] nothing")
	expect(1, false)
	go func() {
		f.say("<6>[    0.000002] nothing")
		_, _ = write.WriteString("x")
	}()
	expect(1, false)
	g.pause = 0
	if n, err := g.read(t.Context(), time.Millisecond); n != 0 || err != nil || !g.silent {
		t.Fatalf("%d lines, %v, silent %t of a ring in which is nothing new", n, err, g.silent)
	}
	f.say("<6>[    0.000003] nothing")
	expect(1, true)
}
