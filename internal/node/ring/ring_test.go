// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// childDir is the variable by which this test runs itself as an agent that is to be killed.
const childDir = "INQUEST_RING_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, child(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child appends for ever and prints the number of each entry that was taken.
func child(dir string) error {
	r, err := Open(Options{Dir: dir, Node: "n1", Boot: "b", Segment: 16 << 10})
	for n := 0; err == nil; n++ {
		var seq uint64
		if seq, err = r.Append(fact(n)); err == nil {
			fmt.Println(seq)
		}
	}
	return err
}

func fact(n int) record.Entry {
	return record.Entry{PodUID: "uid", Fact: &evidence.Fact{
		Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(n), Where: "kmsg",
		Text: strings.Repeat("x", n%200), Name: "oom-kill", Value: float64(n),
	}}
}

func open(t *testing.T, o Options) *Ring {
	t.Helper()
	o.Node = "n1"
	if o.Boot == "" {
		o.Boot = "b"
	}
	r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, r) })
	return r
}

func closed(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func all(t *testing.T, r *Ring, from uint64) []record.Entry {
	t.Helper()
	var list []record.Entry
	for e, err := range r.Read(from) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// gaps returns the reasons of the gaps among entries.
func gaps(list []record.Entry) []string {
	var why []string
	for _, e := range list {
		if e.Gap != nil {
			why = append(why, fmt.Sprintf("%d: %d %s: %s", e.Seq, e.Gap.Count, e.Gap.Unit, e.Gap.Why))
		}
	}
	return why
}

// contiguous checks that numbers rise by one, but where a gap stands for more, and where some are left out after a torn end.
func contiguous(t *testing.T, list []record.Entry) {
	t.Helper()
	for i := 1; i < len(list); i++ {
		if before, e := list[i-1], list[i]; e.Seq != coveredBy(before)+1 && e.Seq != coveredBy(before)+1+leap {
			t.Fatalf("after %d comes %d", before.Seq, e.Seq)
		}
	}
}

func TestAppendAndReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "record")
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	clock := func() time.Time { return now }
	r := open(t, Options{Dir: dir, Now: clock})
	for n := range 10 {
		if seq, err := r.Append(fact(n)); err != nil || seq != uint64(n)+1 {
			t.Fatalf("entry %d is number %d, %v", n, seq, err)
		}
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second agent opens it: %v", err)
	}
	want := fact(3)
	want.Seq, want.At = 4, now
	if diff := cmp.Diff(want, all(t, r, 4)[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	id := r.Stats().ID
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(fact(1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed ring takes an entry: %v", err)
	}
	now = now.Add(time.Hour)
	r = open(t, Options{Dir: dir, Now: clock, Boot: "another"})
	list := all(t, r, 1)
	if len(list) != 11 || list[10].Gap == nil || r.Stats().ID != id {
		t.Fatalf("got %d entries, gaps %q", len(list), gaps(list))
	}
	if g := list[10].Gap; g.To.Sub(g.From) != time.Hour || g.Why != "the agent did not run" || g.About.Name != "n1" {
		t.Errorf("the gap is %+v", g)
	}
	contiguous(t, list)
}

func TestOldestMakesRoom(t *testing.T) {
	r := open(t, Options{Dir: t.TempDir(), Budget: 64 << 10})
	for n := range 2000 {
		r.Tell(fact(n))
	}
	s := r.Stats()
	if s.Bytes > 64<<10 || s.First < 1000 || s.Next != 2001 || s.Dropped != int64(s.First)-1 || r.FirstSeq() != s.First {
		t.Errorf("after 2000 entries: %+v", s)
	}
	list := all(t, r, 10)
	if first := list[0]; first.Gap == nil || first.Gap.Count != int64(s.First)-10 || first.Seq != s.First-1 {
		t.Errorf("whoever asks for what made room gets %+v", first)
	}
	contiguous(t, list)
	if first := all(t, r, 0)[0]; first.Seq != s.First || first.Gap != nil {
		t.Errorf("whoever asks for all gets first %+v", first)
	}
	files, err := filepath.Glob(filepath.Join(r.o.Dir, "*"+suffix))
	if err != nil || len(files) > 5 {
		t.Errorf("%d segments, %v", len(files), err)
	}
}

// TestReadFromAnywhere: wherever a reader begins, in a ring that was written and in one that was opened, it gets the rest.
func TestReadFromAnywhere(t *testing.T) {
	dir := t.TempDir()
	r := open(t, Options{Dir: dir})
	const most = 2000
	for n := range most {
		r.Tell(fact(n))
	}
	for range 2 {
		if len(r.segments) != 1 || len(r.segments[0].marks) < 5 {
			t.Fatalf("%d segments with marks %v", len(r.segments), r.segments[0].marks)
		}
		for from := uint64(1); from <= most; from += 37 {
			first := record.Entry{}
			for e, err := range r.Read(from) {
				if err != nil {
					t.Fatal(err)
				}
				first = e
				break
			}
			if first.Seq != from || first.Fact == nil {
				t.Fatalf("from %d the first is %+v", from, first)
			}
		}
		closed(t, r)
		r = open(t, Options{Dir: dir})
	}
}

func TestReadAndWaitWhileAppending(t *testing.T) {
	r := open(t, Options{Dir: t.TempDir(), Segment: 8 << 10})
	const most = 3000
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for next := uint64(1); next <= most; {
				if err := errors.Join(r.Wait(t.Context(), next), advance(r, &next)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range most {
		r.Tell(fact(n))
	}
	group.Wait()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := r.Wait(ctx, most+1); err == nil || err.Error() != "enough" {
		t.Errorf("waiting ends with %v", err)
	}
	closed(t, r)
	if err := r.Wait(t.Context(), most+1); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("waiting on a closed ring ends with %v", err)
	}
}

// advance reads on from a number.
func advance(r *Ring, next *uint64) error {
	for e, err := range r.Read(*next) {
		if err != nil || e.Seq != *next {
			return fmt.Errorf("got %d, want %d: %w", e.Seq, *next, err)
		}
		*next++
	}
	return nil
}

// TestKilled kills an agent twenty times while it appends: all that was taken is there, once, in order, and each start has
// its gap.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	taken := map[string]bool{}
	const times = 20
	for range times {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := rand.IntN(300); n >= 0 && lines.Scan(); n-- {
			taken[lines.Text()] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			taken[lines.Text()] = true
		}
		_ = cmd.Wait()
	}
	list := all(t, open(t, Options{Dir: dir}), 1)
	contiguous(t, list)
	for _, e := range list {
		delete(taken, fmt.Sprint(e.Seq))
	}
	if len(taken) > 0 {
		t.Errorf("%d entries were taken and are not there", len(taken))
	}
	starts := 0
	for _, why := range gaps(list) {
		if strings.Contains(why, "did not run") {
			starts++
		}
	}
	if starts != times {
		t.Errorf("%d gaps for %d starts", starts, times)
	}
}

// ringOf makes a closed ring of n entries in segments of 4 KiB and returns its segments' files.
func ringOf(t *testing.T, dir string, n int) []string {
	t.Helper()
	r := open(t, Options{Dir: dir, Segment: 4 << 10})
	for n := range n {
		r.Tell(fact(n))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	file := ringOf(t, dir, 5)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	end := 0
	for i, c := range whole {
		if c == '\n' && strings.Count(string(whole[:i]), "\n") == 3 {
			end = i + 1
		}
	}
	for size := end; size <= len(whole); size++ {
		if err := os.RemoveAll(filepath.Join(dir, segment{first: uint64(strings.Count(string(whole[:size-1]), "\n")) + 1 + leap}.name())); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{file: whole[:size], filepath.Join(dir, alive): []byte(`{"boot":"b"}`)} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := open(t, Options{Dir: dir})
		kept := strings.Count(string(whole[:size]), "\n")
		list := all(t, r, 1)
		contiguous(t, list)
		torn := size - strings.LastIndex(string(whole[:size]), "\n") - 1
		want := []string{fmt.Sprintf("%d: 0 : the agent did not run", kept+1)}
		if torn > 0 {
			want = []string{fmt.Sprintf("%d: %d bytes: the last entries were not whole: the agent or the node ended while it wrote them", kept+1+leap, torn),
				fmt.Sprintf("%d: 0 : the agent did not run", kept+2+leap)}
		}
		if diff := cmp.Diff(want, gaps(list)); diff != "" || r.Stats().Torn != int64(torn) {
			t.Fatalf("cut to %d of %d bytes, torn %d (-want +got):\n%s", size, len(whole), r.Stats().Torn, diff)
		}
		closed(t, r)
	}
}

// TestDamage flips bits in the middle: what is whole stays, what is not becomes a gap under its first number, once.
func TestDamage(t *testing.T) {
	for seed := range uint64(40) {
		dir := t.TempDir()
		files := ringOf(t, dir, 100)
		random := rand.New(rand.NewPCG(seed, 0))
		file := files[random.IntN(len(files)-1)]
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + seed%3 {
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := open(t, Options{Dir: dir})
		list := all(t, r, 1)
		contiguous(t, list)
		var lost int64
		for _, e := range list {
			if e.Gap != nil && e.Gap.Why == damaged {
				lost += e.Gap.Count
			}
		}
		if lost < 1 || lost > 6 || lost != r.Stats().Damaged || list[len(list)-1].Seq != 101 {
			t.Errorf("seed %d: %d entries are lost, counted %d, gaps %q", seed, lost, r.Stats().Damaged, gaps(list))
		}
		closed(t, r)
		again := all(t, open(t, Options{Dir: dir}), 1)
		if diff := cmp.Diff(gaps(list), gaps(again)[:len(gaps(list))]); diff != "" || len(again) != len(list)+1 {
			t.Errorf("seed %d: opened again (-before +after):\n%s", seed, diff)
		}
	}
}

func TestSegmentGone(t *testing.T) {
	for name, harm := range map[string]func(file string) error{
		"removed": os.Remove,
		"emptied": func(file string) error { return os.Truncate(file, 0) },
		"zeros":   func(file string) error { return os.WriteFile(file, make([]byte, 200<<10), 0o600) },
	} {
		dir := t.TempDir()
		files := ringOf(t, dir, 100)
		if err := harm(files[1]); err != nil {
			t.Fatal(err)
		}
		list := all(t, open(t, Options{Dir: dir}), 1)
		contiguous(t, list)
		if why := gaps(list); len(why) != 2 || !strings.HasSuffix(why[0], damaged) {
			t.Errorf("%s: gaps %q", name, why)
		}
	}
}

// TestPowerCut: numbers that readers may have had are not given again.
func TestPowerCut(t *testing.T) {
	dir := t.TempDir()
	ringOf(t, dir, 5)
	if err := os.WriteFile(filepath.Join(dir, alive), []byte(`{"boot":"b"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r := open(t, Options{Dir: dir, Boot: "c"})
		list := all(t, r, 3)
		numbers := make([]uint64, len(list))
		for i, e := range list {
			numbers[i] = e.Seq
		}
		want := []uint64{3, 4, 5, 6 + leap, 7 + leap}[:len(list)]
		if !slices.Equal(numbers, want) || len(list) < 4 {
			t.Errorf("the numbers are %d, want %d", numbers, want)
		}
		closed(t, r)
	}
}

// A full is a file on a disk that is full.
type full struct {
	file
	left *int
}

func (f full) Write(p []byte) (int, error) {
	if *f.left < len(p) {
		n, _ := f.file.Write(p[:*f.left])
		*f.left = 0
		return n, syscall.ENOSPC
	}
	*f.left -= len(p)
	return f.file.Write(p)
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	r := open(t, Options{Dir: dir, Segment: 4 << 10})
	left := 3000
	r.active = full{r.active, &left}
	taken := 0
	for n := range 20 {
		if _, err := r.Append(fact(n)); err == nil {
			taken++
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if s := r.Stats(); s.Lost != int64(20-taken) || taken == 20 || taken == 0 {
		t.Errorf("%d of 20 were taken, %d counted as lost", taken, s.Lost)
	}
	left = 1 << 20
	r.Tell(fact(20))
	list := all(t, r, 1)
	contiguous(t, list)
	if why := gaps(list); len(list) != taken+2 || len(why) != 1 || !strings.Contains(why[0], fmt.Sprintf("%d records: they could not be written", 20-taken)) {
		t.Errorf("%d entries, gaps %q", len(list), why)
	}
	if len(r.segments) != 1 {
		t.Fatalf("%d segments", len(r.segments))
	}
}

// TestDiskFullMakesRoom: where there are old segments, they make room for what is new.
func TestDiskFullMakesRoom(t *testing.T) {
	r := open(t, Options{Dir: t.TempDir(), Segment: 4 << 10})
	for n := range 100 {
		r.Tell(fact(n))
	}
	failed, before := false, r.Stats()
	r.active = writer{r.active, func() error {
		if failed {
			return nil
		}
		failed = true
		return syscall.ENOSPC
	}}
	if _, err := r.Append(fact(100)); err != nil || !failed || r.FirstSeq() <= before.First {
		t.Errorf("appended with %v, first %d", err, r.FirstSeq())
	}
}

type writer struct {
	file
	fault func() error
}

func (w writer) Write(p []byte) (int, error) {
	if err := w.fault(); err != nil {
		return 0, err
	}
	return w.file.Write(p)
}

func (w writer) Truncate(int64) error { return syscall.EIO }

// TestDiskBroken: a segment that can neither be written to nor be cut is left for another one.
func TestDiskBroken(t *testing.T) {
	dir := t.TempDir()
	r := open(t, Options{Dir: dir})
	for n := range 3 {
		r.Tell(fact(n))
	}
	r.active = writer{r.active, func() error { return syscall.EIO }}
	r.Tell(fact(3))
	r.Tell(fact(4))
	list := all(t, r, 1)
	contiguous(t, list)
	if why := gaps(list); len(list) != 5 || len(why) != 1 || !strings.Contains(why[0], "1 records") {
		t.Errorf("%d entries, gaps %q", len(list), why)
	}
}

func TestRefusesWhatIsNoEntry(t *testing.T) {
	r := open(t, Options{Dir: t.TempDir()})
	long := fact(1)
	long.Fact.Text = strings.Repeat("x", maxEntry)
	nan := fact(1)
	nan.Fact.Value = math.NaN()
	for _, e := range []record.Entry{long, nan} {
		if _, err := r.Append(e); err == nil {
			t.Errorf("took %v", e.Fact.Value)
		}
	}
	r.Tell(fact(1))
	if list := all(t, r, 0); len(list) != 2 && len(list) != 3 {
		t.Errorf("gaps %q", gaps(list))
	}
}

func FuzzOpen(f *testing.F) {
	seed := func(n int) []byte {
		e := fact(n)
		e.Seq = uint64(n)
		line, err := seal(e)
		if err != nil {
			f.Fatal(err)
		}
		return line
	}
	f.Add(slices.Concat(seed(1), seed(2), seed(3)), slices.Concat(seed(4), seed(6)))
	f.Add(slices.Concat(seed(1), seed(9)), seed(5)[:40])
	f.Add([]byte("\n\n00000000 \n"), []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{segment{first: 1}.name(): first, segment{first: 4}.name(): second} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := open(t, Options{Dir: dir})
		r.Tell(fact(1))
		list := all(t, r, 0)
		if len(list) == 0 || list[len(list)-1].Fact == nil {
			t.Fatalf("the newest of %d entries is not the one that was appended", len(list))
		}
		for i := 1; i < len(list); i++ {
			if d := list[i].Seq - list[i-1].Seq; int64(d) <= 0 {
				t.Fatalf("after %d comes %d", list[i-1].Seq, list[i].Seq)
			}
		}
		closed(t, r)
		if again := all(t, open(t, Options{Dir: dir}), 0); len(again) < len(list) {
			t.Fatalf("%d entries, opened again %d", len(list), len(again))
		}
	})
}

// TestNothingCanBeWritten: without a segment that can be written to, what comes is lost and counted until there is one.
func TestNothingCanBeWritten(t *testing.T) {
	r := open(t, Options{Dir: t.TempDir()})
	r.active = writer{r.active, func() error { return syscall.EIO }}
	r.make = func(string) (file, error) { return nil, syscall.EIO }
	for n := range 3 {
		r.Tell(fact(n))
	}
	if s := r.Stats(); s.Lost != 3 || s.Next != 1 {
		t.Errorf("%+v", s)
	}
	r.make = r.create
	r.Tell(fact(3))
	list := all(t, r, 1)
	contiguous(t, list)
	if why := gaps(list); len(list) != 2 || len(why) != 1 || !strings.Contains(why[0], "3 records") {
		t.Errorf("%d entries, gaps %q", len(list), why)
	}
}

// TestLongRun: a run is kept however long its pod makes its command and its mounts.
func TestLongRun(t *testing.T) {
	r := open(t, Options{Dir: t.TempDir()})
	run := record.Run{ID: "c1", Of: evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(1), Mounts: slices.Repeat([]string{strings.Repeat("<", 1000)}, 64)}
	if _, err := r.Append(record.Entry{PodUID: "u", Run: &run}); err != nil {
		t.Fatal(err)
	}
	list := all(t, r, 1)
	if len(list) != 1 || list[0].Run == nil || list[0].Run.ID != "c1" || len(list[0].Run.Mounts) != 0 || len(run.Mounts) != 64 {
		t.Errorf("kept %+v", list)
	}
}
