// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestRecorded reads what a real kernel wrote, and then takes the container away.
func TestRecorded(t *testing.T) {
	a, err := txtar.ParseFile("testdata/v2.txtar")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"cgroupfs-child": `memory.oom-kills 1: oom_kill 1
memory.peak 6.7113e+07: memory.peak 67112960 of memory.max 67108864`,
		"systemd-child": `memory.oom-kills 1: oom_kill 1
memory.peak 6.71089e+07: memory.peak 67108864 of memory.max 67108864`,
		"group": `memory.oom-kills 4: oom_kill 4, oom_group_kill 1
memory.peak 6.71089e+07: memory.peak 67108864 of memory.max 67108864
psi.memory.full 1.66: avg60 1.66, the highest in 1 samples of the last 0s`,
		"quota": `memory.peak 2.88358e+06: memory.peak 2883584 of memory.max 67108864`,
	}
	for name, facts := range want {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("cgroup.controllers", "cpu memory pids\n")
			for _, f := range a.Files {
				if in, file, _ := strings.Cut(f.Name, "/"); in == name {
					w.write(file, string(f.Data))
				}
			}
			r := w.reader(MachineOptions{})
			r.tick(w.now)
			s := r.Samples(ref)
			if len(s) != 1 || s[0].Memory == 0 || name == "group" && s[0].PSIMemory != 1.66 {
				t.Errorf("samples: %+v", s)
			}
			first := w.texts()
			w.remove("kubepods")
			w.remove("kubepods.slice")
			w.now = w.now.Add(time.Second)
			r.tick(w.now)
			got := alike(first+"\n"+w.texts(), facts)
			if diff := cmp.Diff(facts, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// alike keeps the facts of those names that others have.
func alike(told, facts string) string {
	var all []string
	for line := range strings.SplitSeq(told, "\n") {
		line = strings.TrimPrefix(line, "pod/web-0[app]#3 ")
		name, _, _ := strings.Cut(line, " ")
		if name != "" && !strings.Contains(line, "before the end was seen") && strings.Contains(facts, name) {
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}
