// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

var (
	noon  = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	node  = evidence.RefTo("Node", "", "n1")
	ref   = evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(3)
	id    = strings.Repeat("0a", 32)
	other = strings.Repeat("0b", 32)
)

const (
	uid   = "3b0e1c52-7f8a-4d7e-9a51-0c2f7b6d9e10"
	inPod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3b0e1c52_7f8a_4d7e_9a51_0c2f7b6d9e10.slice"
)

// A world is a tree of files as the kernel's, a clock, and what was told.
type world struct {
	t    *testing.T
	root string
	now  time.Time

	mu    sync.Mutex
	told  []evidence.Fact
	heard chan evidence.Fact
	known map[string]evidence.Ref // by id
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, root: t.TempDir(), now: noon, heard: make(chan evidence.Fact, 100),
		known: map[string]evidence.Ref{id: ref, other: ref.InContainer("side").InAttempt(0)},
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	name = filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.root, name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) place(group string) (evidence.Ref, string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, id := levelOf(path.Base(group))
	ref, ok := w.known[id]
	return ref, uid, ok && strings.HasPrefix(group, "/")
}

func (w *world) tell(e record.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Fact.About.Kind == "Pod" && e.PodUID != uid {
		w.t.Errorf("%v is about no pod", e.Fact)
	}
	w.told = append(w.told, *e.Fact)
	w.heard <- *e.Fact
}

func (w *world) reader(o MachineOptions) *Reader {
	w.t.Helper()
	r, err := New(Options{Cgroup: w.root, Node: node, Tell: w.tell, Place: w.place, Now: func() time.Time { return w.now }, Machine: o})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(r.close)
	return r
}

// texts are what was told since the last time, "name value: text".
func (w *world) texts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, f := range w.told {
		all = append(all, fmt.Sprintf("%s %s %.6g: %s", f.About, f.Name, f.Value, f.Text))
	}
	w.told = nil
	return strings.Join(all, "\n")
}

// use writes the files of a group of v2.
func (w *world) use(group string, memory, kills, cpu, periods, throttled int) {
	w.t.Helper()
	for name, text := range map[string]string{
		"memory.current": fmt.Sprintln(memory), "memory.peak": fmt.Sprintln(memory + 4096), "memory.max": "268435456\n",
		"memory.stat":   fmt.Sprintf("anon %d\nfile 8192\nslab 100\ninactive_file 4096\n", memory-8192),
		"memory.events": fmt.Sprintf("low 0\nhigh 0\nmax 9\noom 1\noom_kill %d\noom_group_kill 0\n", kills),
		"cpu.stat":      fmt.Sprintf("usage_usec %d\nuser_usec 1\nnr_periods %d\nnr_throttled %d\nthrottled_usec 5\n", cpu, periods, throttled),
		"cpu.max":       "50000 100000\n", "pids.current": "7\n", "pids.max": "max\n", "pids.events": "max 0\n",
		"cpu.pressure":    "some avg10=0.00 avg60=12.34 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"memory.pressure": "some avg10=0.00 avg60=1.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	} {
		w.write(path.Join(group, name), text)
	}
}

func TestARunEnds(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.write(inPod+"/memory.events", "oom_kill 0\n")
	group := inPod + "/cri-containerd-" + id + ".scope"
	w.use(group, 100<<20, 0, 1e6, 100, 0)
	r := w.reader(MachineOptions{})
	for i := range 13 {
		r.tick(w.now)
		w.now = w.now.Add(5 * time.Second)
		w.use(group, (100+i+1)<<20, 0, 1e6*(i+2), 100+50*(i+1), 20*(i+1))
	}
	if got := w.texts(); got != "" {
		t.Errorf("told while nothing happened:\n%s", got)
	}
	samples := r.Samples(ref)
	if len(samples) != 13 || samples[12].Memory != 112<<20 || samples[12].CPU != time.Second || samples[12].Took != 5*time.Second || samples[12].PSICPU != 12.34 {
		t.Errorf("samples: %+v", samples)
	}
	present := r.Present()
	if len(present) < 9 || present[0].PodUID != uid || present[0].Fact.Name != "memory.peak" || !present[0].Fact.At.Equal(noon.Add(time.Minute)) {
		t.Errorf("while it runs: %v", present)
	}
	w.remove(group)
	r.tick(w.now)
	if left := r.Present(); len(left) > 0 {
		t.Errorf("when it has ended: %v", left)
	}
	const about = "pod/web-0[app]#3 "
	want := about + "memory.peak 1.17445e+08: memory.peak 117444608 of memory.max 268435456\n" +
		about + "memory.last 1.17441e+08: memory.current 117440512 of memory.max 268435456 (anon 117432320, file 8192, slab 100, sock 0, swap 0)\n" +
		about + "usage.memory 1.17436e+08: workingSetBytes 117436416 at 2026-01-02T12:01:00Z\n" +
		about + "memory.growth 209715: working set +209715 bytes a second in 13 samples of the last 1m0s\n" +
		about + "memory.least 1.04854e+08: workingSetBytes at least 104853504 in 13 samples of the last 1m0s\n" +
		about + "usage.cpu 0.2: 0.200 processors in the last 60s of a quota of 0.5\n" +
		about + "cpu.throttled 0.4: nr_throttled 240 of nr_periods 600 in 13 samples of the last 1m0s\n" +
		about + "began.cpu.throttled 0.4: nr_throttled 240 of nr_periods 600 since 2026-01-02T12:00:00Z\n" +
		about + "psi.cpu.some 12.34: avg60 12.34, the highest in 13 samples of the last 1m0s\n" +
		about + "began.psi.cpu.some 12.34: avg60 of 2 or more at least since 2026-01-02T12:00:00Z, the highest 12.34\n" +
		about + "pids.peak 7: pids.current at most 7\n" +
		about + "course.memory 114684: working set in KiB, by seconds before: 65 102396, 60 103420, 55 104444, 50 105468, 45 106492, 40 107516, " +
		"35 108540, 30 109564, 25 110588, 20 111612, 15 112636, 10 113660, 5 114684\n" +
		about + "course.cpu 200: thousandths of a processor, by seconds before: 65 0, 60 200, 55 200, 50 200, 45 200, 40 200, 35 200, " +
		"30 200, 25 200, 20 200, 15 200, 10 200, 5 200\n" +
		about + "memory.oom-kills 0: oom_kill 0, as read 5s before the end was seen"
	if diff := cmp.Diff(want, w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := r.Samples(ref.InAttempt(evidence.NoAttempt)); !slices.Equal(again, samples) {
		t.Errorf("after its end the samples are %v", again)
	}
}

// TestMadeOneByOne has the directories of a group of v1 come one after the other, as a runtime makes them: that of memory first.
func TestMadeOneByOne(t *testing.T) {
	w := newWorld(t)
	group := inPod + "/" + id
	w.write("memory/"+group+"/memory.usage_in_bytes", "4096\n")
	r := w.reader(MachineOptions{})
	r.tick(w.now)
	for i := range 3 {
		w.write("cpuacct/"+group+"/cpuacct.usage", fmt.Sprintln((i+1)*50e6))
		w.write("cpu/"+group+"/cpu.stat", fmt.Sprintf("nr_periods %d\nnr_throttled %d\nthrottled_time 7\n", 10*(i+1), 8*(i+1)))
		w.write("cpu/"+group+"/cpu.cfs_quota_us", "5000\n")
		w.write("cpu/"+group+"/cpu.cfs_period_us", "100000\n")
		w.write("pids/"+group+"/pids.current", "2\n")
		w.now = w.now.Add(time.Second)
		r.tick(w.now)
	}
	samples := r.Samples(ref)
	if len(samples) != 4 {
		t.Fatalf("samples: %+v", samples)
	}
	for _, s := range samples[1:] {
		if s.CPU != 50*time.Millisecond || s.Periods != 10 || s.Throttled != 8 || s.PIDs != 2 {
			t.Errorf("a sample is %+v", s)
		}
	}
	if cores := r.groups[group].limits.cores(); cores != 0.05 {
		t.Errorf("the quota is %v processors", cores)
	}
}

// TestRunPanics: what goes wrong in what is done beside is an error of the reader, and what goes well ends with it.
func TestRunPanics(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "memory\n")
	r := w.reader(MachineOptions{})
	r.options.Now = func() time.Time { panic("bad") }
	if err := r.Run(t.Context()); err == nil || err.Error() != "it failed: bad" {
		t.Errorf("it ended with %v", err)
	}
}

// TestWhatRoseWhen has ten samples, one each five seconds, of which the words tell since when something was so.
func TestWhatRoseWhen(t *testing.T) {
	const mib = 1 << 10 // of KiB
	for name, c := range map[string]struct {
		make func(i int, p *point)
		born bool
		want string
	}{
		"a spike": {func(i int, p *point) {
			if p.working = 10 * mib; i >= 8 {
				p.working = 100 * mib
			}
		}, false, "began.memory 12:00:35 workingSetBytes rose by 70778880 since 2026-01-02T12:00:35Z"},
		"a leak":        {func(i int, p *point) { p.working = uint32(10+10*i) * mib }, false, "began.memory 12:00:10 workingSetBytes rose by 70778880 since 2026-01-02T12:00:10Z"},
		"hardly a rise": {func(i int, p *point) { p.working = uint32(100+i) * mib }, false, ""},
		"less":          {func(i int, p *point) { p.working = uint32(100-10*i) * mib }, false, ""},
		"held back":     {func(i int, p *point) { p.periods, p.throttled = 50, uint16(i*3) }, false, "began.cpu.throttled 12:00:20 nr_throttled 105 of nr_periods 250 since 2026-01-02T12:00:20Z"},
		"held back, with a pause": {func(i int, p *point) {
			if p.periods = 50; i%3 != 0 {
				p.throttled = 40
			}
		}, true, "began.cpu.throttled 12:00:00 nr_throttled 240 of nr_periods 450 since 2026-01-02T12:00:00Z"},
		"held back before": {func(i int, p *point) {
			if p.periods = 50; i < 7 {
				p.throttled = 40
			}
		}, false, ""},
		"hardly anything to do": {func(_ int, p *point) { p.periods, p.throttled = 1, 1 }, false, ""},
		"stalled from before":   {func(_ int, p *point) { p.psiMemory = 900 }, false, "began.psi.memory.full 12:00:00 avg60 of 2 or more at least since 2026-01-02T12:00:00Z, the highest 9"},
		"stalled on disks":      {func(i int, p *point) { p.psiIO = uint16(max(i-5, 0)) * 100 }, false, "began.psi.io.full 12:00:30 avg60 of 2 or more since 2026-01-02T12:00:30Z, the highest 4"},
		"nothing at last":       {func(i int, p *point) { p.working = uint32(min(9-i, 1)) * mib }, false, ""},
		"no processes":          {func(_ int, p *point) { p.pids = 7 }, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := &group{born: c.born, first: noon, limits: limits{memory: unlimited, pids: 8, quota: unlimited}, ring: ring{most: 20}}
			for i := range 10 {
				p := point{at: uint32(50 * i), took: min(uint32(i)*5000, 5000)}
				c.make(i, &p)
				g.ring.add(p)
			}
			var got []string
			for _, f := range g.course(noon, noon.Add(45*time.Second)) {
				if strings.HasPrefix(f.Name, "began.") {
					got = append(got, f.Name+" "+f.At.Format(time.TimeOnly)+" "+f.Text)
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
