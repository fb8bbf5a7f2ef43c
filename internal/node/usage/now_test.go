// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"cmp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
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
	for n := range 9 { // others, in order
		w.use(inPod+"/"+id[:63]+strconv.Itoa(n), 60<<20, 0, 2e6, 100, 0)
	}
	r.rescan(w.now)
	for name, g := range r.groups {
		g.placed, g.uid = true, name
	}
	order := slices.CompactFunc(r.Present(), func(a, b record.Entry) bool { return a.PodUID == b.PodUID })
	if !slices.IsSortedFunc(order, func(a, b record.Entry) int { return cmp.Compare(a.PodUID, b.PodUID) }) || len(order) != len(r.groups) {
		t.Errorf("%d of %d, in no order", len(order), len(r.groups))
	}
	for _, g := range r.groups {
		g.uid = uid
	}
	for n := range 9 {
		w.remove(inPod + "/" + id[:63] + strconv.Itoa(n))
	}
	w.remove(inPod + "/" + id)
	w.now = w.now.Add(5 * time.Second)
	if r.tick(w.now); len(r.Present()) != 0 {
		t.Errorf("there are %v", r.Present())
	}
}
