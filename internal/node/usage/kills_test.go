// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// only keeps the lines about kills.
func only(told string) string {
	var lines []string
	for line := range strings.Lines(told) {
		if strings.Contains(line, "oom-kill") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func TestAChildIsKilled(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	group := inPod + "/" + id
	w.use(group, 100<<20, 2, 0, 0, 0)
	r := w.reader(MachineOptions{})
	r.tick(w.now)
	if diff := cmp.Diff("pod/web-0[app]#3 memory.oom-kills 2: oom_kill 2", w.texts()); diff != "" {
		t.Errorf("what happened before (-want +got):\n%s", diff)
	}
	w.use(group, 100<<20, 5, 0, 0, 0)
	w.now = w.now.Add(5 * time.Second)
	r.tick(w.now)
	r.tick(w.now.Add(time.Second))
	if diff := cmp.Diff("pod/web-0[app]#3 memory.oom-kill 3: oom_kill 5, 3 more than before", w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheLastKill is one that no sample saw: the pod's counter has it.
func TestTheLastKill(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.write(inPod+"/memory.events", "oom_kill 4\n")
	w.use(inPod+"/"+id, 100<<20, 1, 0, 0, 0)
	w.use(inPod+"/"+other, 100<<20, 2, 0, 0, 0)
	r := w.reader(MachineOptions{})
	r.tick(w.now)
	w.texts()
	w.write(inPod+"/memory.events", "oom_kill 6\n")
	w.use(inPod+"/"+other, 100<<20, 3, 0, 0, 0)
	w.remove(inPod + "/" + id)
	w.now = w.now.Add(5 * time.Second)
	r.tick(w.now)
	got := strings.Split(only(w.texts()), "\n")
	want := []string{
		"pod/web-0[app]#3 memory.oom-kill 1: oom_kill 2, 1 more than before",
		"pod/web-0[app]#3 memory.oom-kills 2: oom_kill 2, as read 5s before the end was seen",
		"pod/web-0[side]#0 memory.oom-kill 1: oom_kill 3, 1 more than before",
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatGrew has two containers, of which one has ended, and one that gave memory back.
func TestWhatGrew(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.use(inPod+"/"+id, 100<<20, 0, 0, 0, 0)
	w.use(inPod+"/"+other, 100<<20, 0, 0, 0, 0)
	r := w.reader(MachineOptions{})
	r.tick(w.now)
	if e, known := r.Grew(w.now); known {
		t.Errorf("of what has not grown: %v", e)
	}
	for _, grown := range []int{20, 150} {
		w.use(inPod+"/"+id, (100+grown)<<20, 0, 0, 0, 0)
		w.use(inPod+"/"+other, (100-grown/10)<<20, 0, 0, 0, 0)
		w.now = w.now.Add(5 * time.Second)
		r.tick(w.now)
	}
	w.remove(inPod + "/" + id)
	w.now = w.now.Add(5 * time.Second)
	r.tick(w.now)
	e, known := r.Grew(w.now)
	if !known || e.Names == "" || e.Fact.Text != "shop/web-0[app] to 249 MiB by 150 MiB, in the minute before" || e.Fact.Value != 150<<20 || e.Fact.About != node {
		t.Errorf("told %+v", e.Fact)
	}
	if e, known := r.Grew(w.now.Add(2 * time.Minute)); known {
		t.Errorf("of long ago: %v", e)
	}
}

// TestTwoEndAtOnce: nobody can say whose kill it was.
func TestTwoEndAtOnce(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.write(inPod+"/memory.events", "oom_kill 0\n")
	w.use(inPod+"/"+id, 100<<20, 0, 0, 0, 0)
	w.use(inPod+"/"+other, 100<<20, 0, 0, 0, 0)
	r := w.reader(MachineOptions{})
	r.tick(w.now)
	w.write(inPod+"/memory.events", "oom_kill 1\n")
	w.remove(inPod + "/" + id)
	w.remove(inPod + "/" + other)
	w.now = w.now.Add(5 * time.Second)
	r.tick(w.now)
	if got := only(w.texts()); strings.Contains(got, "memory.oom-kill ") || !strings.Contains(got, "1 in the pod") {
		t.Errorf("got:\n%s", got)
	}
}

// TestWatched runs the reader itself: what comes, changes and goes is heard at once.
func TestWatched(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.write(inPod+"/memory.events", "oom_kill 0\n")
	r := w.reader(MachineOptions{})
	r.options.Every, r.options.Now = time.Hour, time.Now
	done := make(chan error)
	go func() { done <- r.Run(t.Context()) }()
	await := func(name string) {
		t.Helper()
		for {
			select {
			case f := <-w.heard:
				if f.Name == name {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s was not told", name)
			}
		}
	}
	group := inPod + "/" + id
	staged := filepath.Join(w.root, "staged")
	w.use("staged", 1<<20, 0, 0, 0, 0)
	if err := os.Rename(staged, filepath.Join(w.root, group)); err != nil {
		t.Fatal(err)
	}
	for len(r.Samples(ref)) == 0 {
		select {
		case <-time.After(time.Millisecond):
		case err := <-done:
			t.Fatal(err)
		}
	}
	w.write(group+"/memory.events", "oom_kill 1\n")
	await("memory.oom-kill")
	w.remove(group)
	await("memory.oom-kills")
}

// TestASandboxIsLetBe: what nobody knows is not sampled for ever, and is when it is known after all.
func TestASandboxIsLetBe(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.write(inPod+"/memory.events", "oom_kill 0\n")
	w.use(inPod+"/"+id, 100<<20, 0, 0, 0, 0)
	w.use(inPod+"/"+other, 1<<20, 0, 0, 0, 0)
	delete(w.known, other)
	r := w.reader(MachineOptions{})
	step := func(n int) {
		for range n {
			r.tick(w.now)
			w.now = w.now.Add(5 * time.Second)
		}
	}
	step(6)
	if g := r.groups[inPod+"/"+other]; !g.resting || g.ring.points != nil {
		t.Errorf("it is still sampled: %+v", g.ring)
	}
	w.write(inPod+"/memory.events", "oom_kill 1\n")
	w.remove(inPod + "/" + id)
	step(1)
	if got := only(w.texts()); !strings.Contains(got, "memory.oom-kill 1: oom_kill 1, 1 more than before") {
		t.Errorf("got:\n%s", got)
	}
	w.known[other] = ref.InContainer("side").InAttempt(0)
	step(2)
	if len(r.groups[inPod+"/"+other].ring.points) == 0 {
		t.Error("it is not sampled again")
	}
	w.remove(inPod + "/" + other)
	step(1)
	if got := w.texts(); !strings.Contains(got, "memory.last") {
		t.Errorf("got:\n%s", got)
	}
}
