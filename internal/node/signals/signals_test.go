// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// Control groups of the tests.
var (
	appGroup   = "/kubepods/burstable/pod1/" + strings.Repeat("a1", 32)
	sideGroup  = "/kubepods/burstable/pod1/" + strings.Repeat("a2", 32)
	otherGroup = "/kubepods.slice/kubepods-pod2.slice/cri-containerd-" + strings.Repeat("b1", 32) + ".scope"
	monitor    = "/kubepods.slice/kubepods-pod2.slice/crio-conmon-" + strings.Repeat("b1", 32) + ".scope"
	session    = "/user.slice/user-1000.slice/session-3.scope"
	engine     = "/system.slice/containerd.service"
)

func placeGroup(group string) (evidence.Ref, string, bool) {
	web, evil := evidence.RefTo("Pod", "shop", "web-0"), evidence.RefTo("Pod", "shop", "evil-0")
	switch group {
	case appGroup:
		return web.InContainer("app").InAttempt(1), "u1", true
	case sideGroup:
		return web.InContainer("side").InAttempt(0), "u1", true
	case otherGroup, monitor:
		return evil.InContainer("tool").InAttempt(0), "u2", true
	case "/kubepods/burstable/pod1":
		return web, "u1", true
	}
	return evidence.Ref{}, "", false
}

// A machine is a proc made of files.
type machine struct {
	*Tracer
	dir  string
	told []record.Entry
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir()}
	tracer, err := New(Options{Node: "n1", Tracefs: "x", Proc: m.dir, Place: placeGroup, Tell: func(e record.Entry) { m.told = append(m.told, e) }})
	if err != nil {
		t.Fatal(err)
	}
	m.Tracer = tracer
	m.later = func(time.Duration, func()) {} // tests say when
	if m.proc, err = openProc(m.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.proc.close)
	m.trace = layouts(t)
	if m.trace.fs, err = os.OpenRoot(m.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.trace.fs.Close() })
	return m
}

// add makes a process. Its pids are those in each namespace, the machine's first.
func (m *machine) add(t testing.TB, comm string, parent int, group string, pids ...int) {
	t.Helper()
	var ids []string
	for _, pid := range pids {
		ids = append(ids, strconv.Itoa(pid))
	}
	dir := filepath.Join(m.dir, ids[0])
	err := os.MkdirAll(dir, 0o750)
	for name, text := range map[string]string{
		"comm":    comm + "\n",
		"status":  fmt.Sprintf("Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t%s\nPid:\t%s\nPPid:\t%d\nNSpid:\t%s\n", comm, ids[0], ids[0], parent, strings.Join(ids, "\t")),
		"cgroup":  "12:pids:" + group + "\n4:memory:" + group + "\n1:name=systemd:" + group + "\n0::/\n",
		"stat":    ids[0] + " (" + comm + ") S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 " + ids[0] + "\n",
		"cmdline": "/opt/" + comm + "\x00/opt/script\x00--password=x\x00",
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ends makes a process one that is ending, as version 1 of control groups shows it.
func (m *machine) ends(t testing.TB, pid int) {
	t.Helper()
	dir := filepath.Join(m.dir, strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "stat"), []byte(strings.Replace(string(stat), "4194560", "4194564", 1)), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "cgroup"), []byte("4:memory:/\n0::/\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) gone(t testing.TB, pid int) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(m.dir, strconv.Itoa(pid))); err != nil {
		t.Fatal(err)
	}
}

// said returns what was told since the last call.
func (m *machine) said() (lines []string) {
	for _, e := range m.told {
		if e.Gap != nil {
			lines = append(lines, fmt.Sprintf("gap of %d: %s", e.Gap.Count, e.Gap.Why))
		} else {
			lines = append(lines, fmt.Sprintf("%s %s: %s", e.Fact.Name, e.Fact.About, e.Fact.Text))
		}
	}
	m.told = nil
	return lines
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// populate makes a node with two pods.
func populate(t testing.TB) *machine {
	t.Helper()
	m := newMachine(t)
	m.add(t, "systemd", 0, "/init.scope", 1)
	m.add(t, "containerd-shim", 1, engine, 50)
	m.add(t, "sshd", 1, "/system.slice/ssh.service", 60)
	m.add(t, "bash", 60, session, 61)
	m.add(t, "app", 50, appGroup, 100, 1)
	m.add(t, "worker", 100, appGroup, 101, 7)
	m.add(t, "side", 50, sideGroup, 110, 1)
	m.add(t, "tool", 50, otherGroup, 120, 1)
	m.add(t, "runc", 50, engine, 51)
	m.add(t, "runc", 120, otherGroup, 121, 9)
	m.add(t, "conmon", 1, monitor, 130)
	m.add(t, "cron", 1, "/system.slice/cron.service", 70)
	return m
}

// TestWhoSentIt has each kind of sender and target.
func TestWhoSentIt(t *testing.T) {
	const app = " pod/web-0[app]#1: "
	for name, c := range map[string]struct {
		event event
		want  string
	}{
		"a shell of the node": {event{sender: 61, target: 100, sig: 9},
			"signal-host" + app + "SIGKILL from pid 61 (bash) of the node, unit session-3.scope, /opt/bash /opt/script, started by pid 60 (sshd), to process 1 of container app (pid 100, app)"},
		"the service manager's child": {event{sender: 70, target: 100, sig: 15, result: 1},
			"ignored-signal-host" + app + "SIGTERM from pid 70 (cron) of the node, unit cron.service, /opt/cron /opt/script, to process 1 of container app (pid 100, app), which ignores it"},
		"the runtime":           {event{sender: 51, target: 100, sig: 15}, "signal-runtime" + app + "SIGTERM from pid 51 (runc) of the runtime, unit containerd.service, to process 1 of container app (pid 100, app)"},
		"the runtime's monitor": {event{sender: 130, target: 120, sig: 9, result: 2}, "ignored-signal-runtime pod/evil-0[tool]#0: SIGKILL from pid 130 (conmon) of the runtime, unit crio-conmon-" + strings.Repeat("b1", 32) + ".scope, to process 1 of container tool (pid 120, tool), which had got one already"},
		"a false runtime":       {event{sender: 121, target: 100, sig: 9}, "signal-neighbour" + app + "SIGKILL from pid 121 (runc) of pod shop/evil-0, container tool to process 1 of container app (pid 100, app)"},
		"another container":     {event{sender: 110, target: 100, sig: 15}, "signal-pod" + app + "SIGTERM from pid 110 (side) of container side of the same pod to process 1 of container app (pid 100, app)"},
		"its own child":         {event{sender: 101, target: 100, sig: 15}, "signal-pod" + app + "SIGTERM from pid 101 (worker) of the same container to process 1 of container app (pid 100, app)"},
		"itself":                {event{sender: 100, target: 100, sig: 15}, "signal-pod" + app + "SIGTERM from itself to process 1 of container app (pid 100, app)"},
		"a child is killed":     {event{sender: 100, target: 101, sig: 9}, "child-signal-pod" + app + "SIGKILL from pid 100 (app) of the same container to pid 101 (worker) of container app"},
		"a child is ended":      {event{sender: 100, target: 101, sig: 15}, ""},
		"a child, from outside": {event{sender: 61, target: 101, sig: 15}, "child-signal-host" + app + "SIGTERM from pid 61 (bash) of the node, unit session-3.scope, /opt/bash /opt/script, started by pid 60 (sshd), to pid 101 (worker) of container app"},
		"nobody's":              {event{sender: 61, target: 70, sig: 9}, ""},
		"gone":                  {event{sender: 61, target: 999, sig: 9}, ""},
		"a sender that is gone": {event{sender: 999, target: 100, sig: 9}, "signal-unknown" + app + "SIGKILL from pid 999, which was gone before it could be looked up, to process 1 of container app (pid 100, app)"},
		"the kernel":            {event{sender: 1, target: 100, sig: 9, code: 128}, "signal-kernel" + app + "SIGKILL from the kernel to process 1 of container app (pid 100, app)"},
		"as if the kernel":      {event{sender: 100, target: 100, sig: 9, code: 128}, "signal-unknown" + app + "SIGKILL from itself, or the kernel in its name as at a limit of processor time, to process 1 of container app (pid 100, app)"},
		"a child, likewise":     {event{sender: 101, target: 101, sig: 9, code: 128}, "child-signal-unknown" + app + "SIGKILL from itself, or the kernel in its name as at a limit of processor time, to pid 101 (worker) of container app"},
		"a timer":               {event{sender: 61, target: 100, sig: 9, code: -2}, "signal-unknown" + app + "SIGKILL from a timer, a file or a queue (code -2), for which the trace names no sender, to process 1 of container app (pid 100, app)"},
		"a queue":               {event{sender: 110, target: 100, sig: 15, code: -1}, "signal-pod" + app + "SIGTERM from pid 110 (side) of container side of the same pod to process 1 of container app (pid 100, app)"},
		"a thread":              {event{sender: 110, target: 100, sig: 15, code: -6}, "signal-pod" + app + "SIGTERM from pid 110 (side) of container side of the same pod to process 1 of container app (pid 100, app)"},
		"the kernel, kindly":    {event{sender: 1, target: 100, sig: 15, code: 128}, "signal-kernel" + app + "SIGTERM from the kernel to process 1 of container app (pid 100, app)"},
		"the end of process 1":  {event{sender: 100, target: 101, sig: 9, code: 128}, "child-signal-kernel" + app + "SIGKILL from the kernel at the end of process 1 to pid 101 (worker) of container app"},
	} {
		t.Run(name, func(t *testing.T) {
			m := populate(t)
			c.event.at = noon
			m.signal(&c.event)
			m.settle(noon.Add(time.Minute))
			if got := strings.Join(m.said(), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestNewContainer has signals to a container of which the runtime tells late, to one of which it never tells, and to a process that is
// gone and of which another processor's buffer says later that the runtime had started it.
func TestNewContainer(t *testing.T) {
	m := populate(t)
	known := map[string]bool{sideGroup: true}
	m.o.Place = func(group string) (evidence.Ref, string, bool) {
		if about, uid, ok := placeGroup(group); !ok || known[group] {
			return about, uid, ok
		}
		return evidence.RefTo("Pod", "shop", "web-0"), "u1", true
	}
	m.o.Knows = func(group string) bool { return known[group] }
	m.signal(&event{at: noon, sender: 51, target: 100, sig: 15})
	m.signal(&event{at: noon, sender: 51, target: 120, sig: 9})
	m.signal(&event{at: noon, sender: 51, target: 999, sig: 9})
	m.signal(&event{at: noon, sender: 51, target: 998, sig: 9})
	for _, pid := range []int{998, 120} { // neither can be told of yet
		m.victim(victim{pid, 51, noon})
	}
	m.gone(t, 51) // by then
	m.gone(t, 100)
	m.settle(noon.Add(settleTime))
	if got := m.said(); len(got) != 0 || len(m.waiting) != 2 {
		t.Errorf("told %q, and %d wait", got, len(m.waiting))
	}
	known[appGroup] = true
	m.settle(noon.Add(placeEach))
	want := []string{"signal-runtime pod/web-0[app]#1: SIGTERM from pid 51 (runc) of the runtime, unit containerd.service, to process 1 of container app (pid 100, app)"}
	if diff := cmp.Diff(want, m.said()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.signal(&event{at: noon, sender: 51, target: 997, sig: 9})
	m.renamed(noon, 997, "runc:[2:INIT]", "sh")
	m.settle(noon.Add(placeTime))
	m.gaps(noon)
	got := m.said()
	slices.Sort(got)
	want = []string{
		"gap of 1: a process that the runtime had just started in a container was gone before it could be looked up",
		"gap of 1: a signal to a container that the runtime has not told of",
		"signal-runtime pod/web-0: SIGKILL from pid 51 (runc) of the runtime, unit containerd.service, to process 1 of a container of pod web-0 (pid 120, tool)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if m.counts.Gone != 3 || len(m.waiting) != 0 {
		t.Errorf("%+v, and %d wait", m.counts, len(m.waiting))
	}
}

// TestSettlesOnce: however many signals wait for a container that is not known, they are looked at by one timer, and one that has just
// come is not told before the kernel can have said why.
func TestSettlesOnce(t *testing.T) {
	m := populate(t)
	var due []func()
	m.later = func(d time.Duration, f func()) {
		if d != missTime {
			due = append(due, f)
		}
	}
	known := false
	m.o.Knows = func(string) bool { return known }
	now := time.Now()
	for range 3 * mostLookups {
		m.signal(&event{at: now, sender: 51, target: 120, sig: 9})
		now = now.Add(time.Millisecond)
	}
	if len(due) > 1 {
		t.Errorf("%d timers", len(due))
	}
	m.settle(now.Add(placeTime))
	m.said()
	m.signal(&event{at: now, sender: 51, target: 120, sig: 15})
	known = true
	m.signal(&event{at: now.Add(placeEach), sender: 100, target: 100, sig: 9, code: 128})
	m.settle(now.Add(placeEach + settleTime/2))
	if len(m.waiting) != 1 || m.waiting[0].sig != 9 {
		t.Errorf("%d wait", len(m.waiting))
	}
	m.settle(now.Add(placeEach + settleTime))
	if len(m.waiting) != 0 {
		t.Errorf("%d wait", len(m.waiting))
	}
}

// TestMissedIsToldSoon: that there is no word of a signal means nothing where some were missed.
func TestMissedIsToldSoon(t *testing.T) {
	m := newMachine(t)
	var due []func()
	m.later = func(d time.Duration, f func()) {
		if d != missTime {
			t.Errorf("it is told after %s", d)
		}
		due = append(due, f)
	}
	for range 3 {
		m.miss(1, "overrun")
	}
	for _, f := range due {
		f()
	}
	m.miss(1, "overrun")
	if diff := cmp.Diff([]string{"gap of 3: overrun"}, m.said()); diff != "" || len(due) != 2 {
		t.Errorf("told %d times; (-want +got):\n%s", len(due), diff)
	}
}

// TestOutOfMemory has a victim, one that shares its memory, and one that has nothing to do with them.
func TestOutOfMemory(t *testing.T) {
	m := populate(t)
	m.signal(&event{at: noon, sender: 110, target: 100, sig: 9, code: 128})
	m.victim(victim{100, 110, noon.Add(4 * time.Microsecond)})
	m.signal(&event{at: noon.Add(9 * time.Microsecond), sender: 110, target: 101, sig: 9, code: 128})
	m.signal(&event{at: noon.Add(10 * time.Second), sender: 110, target: 120, sig: 9, code: 128})
	m.signal(&event{at: noon.Add(11 * time.Microsecond), sender: 110, target: 110, sig: 9, code: 128}) // where it ran, with the code of the kernel
	m.settle(noon.Add(time.Minute))
	got := m.said()
	if len(got) != 4 || !strings.HasPrefix(got[3], "signal-unknown pod/web-0[side]") || !strings.Contains(got[0], "kernel for want of memory to process 1 of container app") || !strings.Contains(got[1], "kernel for want of memory to pid 101") ||
		strings.Contains(got[2], "memory") {
		t.Errorf("told %q", got)
	}
}

// TestEndingProcesses has what no longer says its control group, or is gone.
func TestEndingProcesses(t *testing.T) {
	m := populate(t)
	m.sweep()
	m.add(t, "kill", 61, session, 62)
	m.ends(t, 62)
	m.ends(t, 100)
	m.ends(t, 101)
	m.signal(&event{at: noon, sender: 62, target: 100, sig: 9})
	m.add(t, "kill", 50, appGroup, 102, 33) // executed in the container
	m.ends(t, 102)
	m.signal(&event{at: noon, sender: 102, target: 101, sig: 9})
	m.learn(140, "sh")
	m.signal(&event{at: noon, sender: 140, target: 110, sig: 15})
	m.settle(noon.Add(time.Minute))
	m.gone(t, 101)
	m.signal(&event{at: noon, sender: 100, target: 101, sig: 9, code: 128, comm: "worker"})
	m.signal(&event{at: noon, sender: 61, target: 140, sig: 9})
	m.gone(t, 100)
	m.signal(&event{at: noon, sender: 100, target: 103, sig: 9, code: 128, comm: "late"})
	m.settle(noon.Add(time.Minute))
	want := []string{
		"signal-host pod/web-0[app]#1: SIGKILL from pid 62 (kill), which had ended, a child of pid 61, of the node, unit session-3.scope, to process 1 of container app (pid 100, app)",
		"child-signal-unknown pod/web-0[app]#1: SIGKILL from pid 102 (kill), which was gone before it could be looked up, to pid 101 (worker) of container app",
		"signal-unknown pod/web-0[side]#0: SIGTERM from pid 140 (sh), which the runtime had executed in a container and which was gone before it could be looked up, to process 1 of container side (pid 110, side)",
		"child-signal-kernel pod/web-0[app]#1: SIGKILL from the kernel at the end of process 1 to pid 101 (worker) of container app",
	}
	if diff := cmp.Diff(want, m.said()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(m.missed) != 1 {
		t.Errorf("missed are %v", m.missed)
	}
	m.sweep()
	if m.known[100] == nil {
		t.Error("a first process is forgotten before what was sent to it is read")
	}
	m.sweep()
	if m.known[100] != nil || m.known[110] == nil || m.known[140] != nil {
		t.Errorf("known are %v", m.known)
	}
}

// TestBriefSenders has a runtime that sends its signal from a thread and is gone, and one that was too long ago.
func TestBriefSenders(t *testing.T) {
	m := populate(t)
	m.add(t, "runc", 50, engine, 400)
	m.renamed(noon, 400, "containerd-shim", "runc")
	m.senders.thread(401, 400, noon)
	m.senders.thread(402, 401, noon)
	m.senders.thread(430, 50, noon)
	m.senders.thread(431, 430, noon)
	m.senders.thread(432, 100, noon)
	m.add(t, "kill", 101, appGroup, 410, 12)
	m.renamed(noon, 410, "sh", "kill")
	m.gone(t, 400)
	m.gone(t, 410)
	for _, e := range []event{
		{at: noon.Add(time.Second), sender: 402, target: 100, sig: 15}, {at: noon.Add(time.Minute), sender: 402, target: 100, sig: 15},
		{at: noon.Add(time.Second), sender: 410, target: 110, sig: 9}, {at: noon.Add(time.Second), sender: 403, target: 110, sig: 9},
	} {
		m.signal(&e)
	}
	m.add(t, "runc:[2:INIT]", 51, appGroup, 420, 13)
	m.renamed(noon, 420, "runc:[1:CHILD]", "runc:[2:INIT]")
	m.gone(t, 420)
	m.renamed(noon, 420, "runc:[2:INIT]", "sh")
	m.signal(&event{at: noon.Add(time.Second), sender: 420, target: 110, sig: 9})
	if err := os.WriteFile(filepath.Join(m.dir, "saved_cmdlines"), []byte("43 x\n431 runc\n432 app\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sender := range []int{431, 432} {
		m.signal(&event{at: noon.Add(time.Second), sender: sender, target: 110, sig: 9})
	}
	m.settle(noon.Add(time.Hour))
	want := []string{
		"signal-runtime pod/web-0[app]#1: SIGTERM from pid 400 (runc) of the runtime, unit containerd.service, to process 1 of container app (pid 100, app)",
		"signal-pod pod/web-0[side]#0: SIGKILL from pid 410 (kill) of container app of the same pod to process 1 of container side (pid 110, side)",
		"signal-pod pod/web-0[side]#0: SIGKILL from pid 420 (sh) of container app of the same pod to process 1 of container side (pid 110, side)",
		"signal-runtime pod/web-0[side]#0: SIGKILL from pid 431 (runc), which had ended, a child of pid 50, of the runtime, unit containerd.service, to process 1 of container side (pid 110, side)",
		"signal-unknown pod/web-0[app]#1: SIGTERM from pid 402, which was gone before it could be looked up, to process 1 of container app (pid 100, app)",
		"signal-unknown pod/web-0[side]#0: SIGKILL from pid 403, which was gone before it could be looked up, to process 1 of container side (pid 110, side)",
		"signal-unknown pod/web-0[side]#0: SIGKILL from pid 432 (app), which was gone before it could be looked up, to process 1 of container side (pid 110, side)",
	}
	if diff := cmp.Diff(want, m.said()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range 3 * mostSenders {
		m.senders.thread(1000+i%(2*mostSenders), 400, noon)
	}
	if s := m.senders; len(s.threads)+len(s.programs) > mostSenders || len(s.oldest) > mostSenders || s.programs[400].process != nil {
		t.Errorf("%d and %d are remembered", len(s.programs), len(s.threads))
	}
}

// TestBriefThreads has programs that are gone, as are the threads of a runtime which started them: one that was there for an hour, and one
// whose number is by then that of somebody who calls himself a runtime.
func TestBriefThreads(t *testing.T) {
	m := populate(t)
	m.add(t, "containerd-shim", 1, engine, 60)
	for _, tid := range []string{"60", "61"} {
		if err := os.MkdirAll(filepath.Join(m.dir, "60", "task", tid), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	m.sweep()
	m.cloned(noon.Add(-time.Hour), 61, 62, true)
	m.cloned(noon.Add(-time.Hour), 62, 63, true)
	m.renamed(noon.Add(-time.Minute), 63, "sh", "containerd-shim")
	m.cloned(noon.Add(-time.Hour), 62, 63, true) // read late
	m.cloned(noon.Add(-time.Hour), 62, 64, true)
	m.cloned(noon.Add(-time.Minute), 62, 64, false)
	m.add(t, "containerd-shim", 100, appGroup, 70, 12)
	m.cloned(noon.Add(-time.Hour), 70, 71, true)
	m.gone(t, 70)
	for sender, by := range map[int]int{431: 62, 432: 63, 433: 64, 434: 71} {
		m.cloned(noon, by, sender, false)
		m.signal(&event{at: noon.Add(time.Second), sender: sender, target: 100, sig: 15})
	}
	m.settle(noon.Add(time.Hour))
	said := m.said()
	slices.Sort(said)
	want := []string{
		"signal-runtime pod/web-0[app]#1: SIGTERM from pid 431 (?), which had ended, a child of pid 60, of the runtime, unit containerd.service, to process 1 of container app (pid 100, app)",
		"signal-unknown pod/web-0[app]#1: SIGTERM from pid 432, which was gone before it could be looked up, to process 1 of container app (pid 100, app)",
		"signal-unknown pod/web-0[app]#1: SIGTERM from pid 433, which was gone before it could be looked up, to process 1 of container app (pid 100, app)",
		"signal-unknown pod/web-0[app]#1: SIGTERM from pid 434, which was gone before it could be looked up, to process 1 of container app (pid 100, app)",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 2 {
		if m.sweep(); m.senders.engines[61].process != 60 {
			t.Fatal("a thread that lives on is forgotten")
		}
	}
	if n := len(m.senders.engines); n != 2 {
		t.Errorf("%d threads are remembered, expected 2: those that live on", n)
	}
}

// TestFirstProcess has a pod that shares its pid namespace, and one that has the machine's.
func TestFirstProcess(t *testing.T) {
	m := populate(t)
	m.add(t, "pause", 50, "/kubepods/burstable/pod1", 200, 1)
	m.add(t, "side", 50, sideGroup, 201, 7)
	m.add(t, "probe", 50, sideGroup, 202, 8)
	m.add(t, "child", 201, sideGroup, 203, 9)
	m.gone(t, 110)
	m.add(t, "tool", 50, otherGroup, 300)
	m.add(t, "child", 300, otherGroup, 301)
	m.gone(t, 120)
	m.gone(t, 121)
	m.add(t, "probe", 50, appGroup, 103, 8) // executed beside process 1
	m.sweep()
	for pid, want := range map[int]bool{100: true, 101: false, 103: false, 200: true, 201: true, 202: false, 203: false, 300: true, 301: false} {
		if got := m.isFirst(m.find(pid)); got != want {
			t.Errorf("%d is first: %t", pid, got)
		}
	}
}

// TestManySignals has more of them than are told or looked up.
func TestManySignals(t *testing.T) {
	m := populate(t)
	m.sweep()
	for i := range 3 * mostLookups {
		m.signal(&event{at: noon.Add(time.Duration(i)), sender: 100, target: 101, sig: 9})
	}
	for range 20 {
		m.signal(&event{at: noon, sender: 61, target: 100, sig: 15})
	}
	for range 2 * mostSent {
		m.signal(&event{at: noon, sender: 61, target: 120, sig: 15})
	}
	m.signal(&event{at: noon, sender: 61, target: 120, sig: 9})
	got := m.said()
	if len(got) != atOnce[toOther]+2*atOnce[toFirst]+1 || !strings.Contains(got[len(got)-1], "SIGKILL from pid 61 (bash)") {
		t.Errorf("%d are told: %q", len(got), got)
	}
	m.end()
	got = m.said()
	slices.Sort(got)
	counts := m.Counts()
	said := strings.Join(got, "\n")
	if len(got) != 7 || !strings.Contains(said, "gap of ") || !strings.Contains(said, "(and 8 more before it)") || counts.Signals != 3*mostLookups+20+2*mostSent+1 ||
		counts.Lost < mostLookups || counts.Told != 30 {
		t.Errorf("%+v: %q", counts, got)
	}
}

func TestNameOfTheInstance(t *testing.T) {
	for node, want := range map[string]string{"n1.lab": "inquest-agent-n1.lab", "../x/Y": "inquest-agent-.._x__"} {
		if got := nameFor(node); got != want {
			t.Errorf("%q for %q", got, node)
		}
	}
}

// TestProcFiles reads what is not as it should be.
func TestProcFiles(t *testing.T) {
	x, ok := parseStatus([]byte("Name:\ta\\nTgid:\t7\tb\xff\nState:\tZ (zombie)\nTgid:\t12\nPPid:\t3\n"))
	if !ok || x.pid != 12 || x.comm != "a\\nTgid:?7?b?" || !x.exiting || x.first() {
		t.Errorf("got %+v", x)
	}
	if _, ok := parseStatus([]byte("Name:\tx\n")); ok {
		t.Error("half a status is taken")
	}
	got := parseGroups([]byte("9:name=systemd:/s\n8:cpu,memory:/m:x\n3:pids:/p\n2:cpu:/m:x\n0::/u (deleted)\nnonsense\n1:a:b\n"))
	if diff := cmp.Diff([]string{"/m:x", "/u", "/s", "/p"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if flags, begun := parseStat([]byte("7 (a) b) c) S 1 2 3 4 5 4194564 7 8 9 10 11 12 13 14 15 16 17 18 19990 1")); flags&exitingFlag == 0 || begun != 19990 {
		t.Errorf("got %x %d", flags, begun)
	}
	if flags, begun := parseStat([]byte("7 (a")); flags != 0 || begun != 0 {
		t.Errorf("got %x %d", flags, begun)
	}
}

// FuzzProc checks that no file of a process breaks a reader, or a line.
func FuzzProc(f *testing.F) {
	f.Add([]byte("Name:\tx\nState:\tS (sleeping)\nTgid:\t7\nPPid:\t1\nNSpid:\t7\t1\n"))
	f.Add([]byte("4:memory:/kubepods/pod1/abc\n0::/x (deleted)\n"))
	f.Add([]byte("7 (a b) S 1 1 1 0 -1 4194564 1 1 1 1 1 1 1 1 20 0 1 0 99\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(b)
		for _, group := range parseGroups(b) {
			inContainer(group)
			if said := unitOf([]string{group}); strings.ContainsAny(said, "\n\r") || len(said) > 500 {
				t.Fatalf("%q", said)
			}
		}
		if x, ok := parseStatus(b); ok && (x.pid <= 0 || strings.ContainsAny(x.comm, "\n\r\t")) {
			t.Fatalf("%+v", x)
		}
	})
}

// TestPodsThatAreNotKnown: a container of which the runtime has not told yet is no process of the node, whatever it calls itself,
// and a node that is itself a container has processes all the same.
func TestPodsThatAreNotKnown(t *testing.T) {
	m := populate(t)
	m.add(t, "runc", 50, "/kubepods/burstable/pod3/"+strings.Repeat("c1", 32), 150, 1)
	m.signal(&event{at: noon, sender: 150, target: 100, sig: 9})
	outer := "/kubepods/pod9/" + strings.Repeat("d1", 32)
	m.o.Place = func(group string) (evidence.Ref, string, bool) { return placeGroup(strings.TrimPrefix(group, outer)) }
	m.add(t, "app", 50, outer+appGroup, 160, 1)
	m.add(t, "runc", 50, outer+engine, 151)
	m.signal(&event{at: noon, sender: 151, target: 160, sig: 9})
	want := []string{
		"signal-neighbour pod/web-0[app]#1: SIGKILL from pid 150 (runc) of a pod that the runtime has not told of to process 1 of container app (pid 100, app)",
		"signal-runtime pod/web-0[app]#1: SIGKILL from pid 151 (runc) of the runtime, unit containerd.service, to process 1 of container app (pid 160, app)",
	}
	if diff := cmp.Diff(want, m.said()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNeighbourOfAnotherNamespace: its name is for those who may see it.
func TestNeighbourOfAnotherNamespace(t *testing.T) {
	m := populate(t)
	m.o.Place = func(group string) (evidence.Ref, string, bool) {
		about, uid, ok := placeGroup(group)
		if uid == "u2" {
			about.Namespace = "bank"
		}
		return about, uid, ok
	}
	m.signal(&event{at: noon, sender: 120, target: 100, sig: 9})
	m.signal(&event{at: noon, sender: 110, target: 100, sig: 9})
	if len(m.told) != 2 || m.told[0].Names != "bank" || m.told[0].Brief != "SIGKILL from a process of another pod to process 1 of container app (pid 100, app)" ||
		!strings.Contains(m.told[0].Fact.Text, "bank/evil-0") || m.told[1].Names != "" {
		t.Errorf("told %+v", m.told)
	}
}

// TestNestedNamespaces: process 1 of a pid namespace that a container made for itself is not the container's first.
func TestNestedNamespaces(t *testing.T) {
	m := populate(t)
	m.add(t, "sandboxed", 101, appGroup, 104, 8, 1)
	m.sweep()
	m.signal(&event{at: noon, sender: 100, target: 104, sig: 9})
	if got := strings.Join(m.said(), "\n"); !strings.HasPrefix(got, "child-signal-pod ") {
		t.Errorf("told %s", got)
	}
	if !m.isFirst(m.find(100)) {
		t.Error("the first process is not the first any more")
	}
}

// TestPanicsLater: what goes wrong in what is done later ends the trace with an error.
func TestPanicsLater(t *testing.T) {
	tracer, err := New(Options{Node: "n1", Tracefs: "x", Proc: "y", Place: placeGroup, Tell: func(record.Entry) {}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		tracer.later(0, func() { panic("bad") })
	}
	if err := tracer.tick(t.Context()); err == nil || err.Error() != "it failed: bad" {
		t.Errorf("it ended with %v", err)
	}
}
