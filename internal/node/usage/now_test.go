// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPresent(t *testing.T) {
	w := newWorld(t)
	w.write("cgroup.controllers", "cpu memory pids\n")
	w.use(inPod+"/"+id, 100<<20, 0, 1e6, 100, 0)
	r := w.reader(MachineOptions{})
	r.tick(w.now)
	w.use(inPod+"/"+id, 60<<20, 0, 2e6, 100, 0)
	w.now = w.now.Add(5 * time.Second)
	r.tick(w.now)
	got := map[string]float64{}
	for _, e := range r.Present() {
		if e.Fact.About != ref || e.PodUID == "" {
			t.Errorf("it is about %s of %q", e.Fact.About, e.PodUID)
		}
		got[e.Fact.Name] = e.Fact.Value
	}
	if got["usage.cpu"] < 0.1 || got["usage.memory"] == 0 {
		t.Errorf("in use is %v", got)
	}
	w.remove(inPod + "/" + id)
	w.now = w.now.Add(5 * time.Second)
	if r.tick(w.now); len(r.Present()) != 0 {
		t.Error(cmp.Diff(nil, r.Present()))
	}
}
