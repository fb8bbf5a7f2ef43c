// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubeinquest/inquest/e2e/faults"
)

const (
	// settles is how long after a fault is established its incident is waited for: a pod that waits counts after two minutes.
	settles = 4 * time.Minute
	// quiet is how long after what is none is established an incident of it is waited for: what is in trouble is left alone for a
	// quarter of a minute.
	quiet = 40 * time.Second
	// calmly is how many faults are made at once that a busy node would make another fault of.
	calmly = 3
)

// slow is how long it is waited for where time alone shows that something is wrong: a closed node is looked at again after five minutes.
// Of a node that has just lost its power, what else it lacks counts as a consequence, until a pod of its own waits for that.
var slow = map[string]time.Duration{"budget-blocks": 7 * time.Minute, "network-missing": 7 * time.Minute}

// timely are faults that are told from others by how long something took: on a node that is busy with others it takes long for everybody.
var timely = []string{
	"backend-not-ready", "dependency-gone", "hang-silent", "liveness-early", "liveness-exec-timeout", "liveness-hang", "liveness-impatient",
	"liveness-many", "liveness-slow-start", "liveness-throttled", "sidecar-crashing", "startup-pending", "startup-slow",
}

// unrecorded are faults that a person may ask about, and that a recorder makes no incident of: docs/design/0003-recorder.md says why.
var unrecorded = []string{
	"claim-deleted", "cronjob-suspended", "frontend-fails", "hpa-maximum", "misscheduled", "paused", "paused-before-rollout", "poststart-hangs",
	"prestop-hang", "scaled-to-zero",
}

// kept are faults whose pods somebody deletes, which is no incident, and a finalizer of the fault keeps, for the sake of who asks.
var kept = []string{"deletion-grace", "deletion-term", "oom-false-label", "prestop-fails", "prestop-slow"}

// neighbours are what goes wrong in the namespace of a fault besides: in another pod, or before the fault had come about.
var neighbours = map[string][]string{
	"benign-neighbour": {"EXT001", "DEP011"}, "neighbour-exit": {"MEM001"}, "neighbour-liveness": {"MEM001"}, "multi-attach": {"STO011"},
	"backend-crashes": {"DEP001", "DEP011"}, "backend-not-ready": {"DEP001"}, // as long as the database was not up
	"oom-memory-volume": {"MEM001"},                            // by the first kill
	"innocent-victim":   {"NOD002"}, "node-memory": {"NOD002"}, // a node is given another size by a restart
}

// wanted is the cause that an incident of a fault must have; none: there must be no incident.
func wanted(t *testing.T, f faults.Fault) []string {
	_, sight := expected(t, f.Name)
	switch {
	case slices.Contains(unrecorded, f.Name):
		return nil
	case slices.Contains(kept, f.Name):
		return []string{"DEL002"}
	case f.Name == "network-version": // within seconds the plugin's answer makes a node of it that is not ready
		return append([]string{"NOD012"}, sight.Want...)
	case f.Name == "webhook-crashing": // its log names what it cannot reach
		return append([]string{"DEP011"}, sight.Want...)
	case f.Name == "node-storm": // the agents have just begun there, which may have kept the node busy before
		return append([]string{"PRB011"}, sight.Want...)
	case f.Name == "benign-drain": // what follows from it is on record as that of a node
		return []string{"EVC011"}
	}
	return sight.Want
}

// TestRecorderEvery runs the server as a pod, with agents, beside every fault, and says which of them become the right incident, alone:
// first those that disturb nobody else, then each of the others by itself. It takes three quarters of an hour, and so has the tag of
// storms. Where INQUEST_RECORD names a folder, the evidence of what is not right is kept there.
func TestRecorderEvery(t *testing.T) {
	if !inLab() {
		return
	}
	agentsUp(t)
	serverUp(t)
	person := openConsole(t)
	becalmed(t)
	told := &tally{by: map[string][]string{}}
	defer told.show(t)
	room := make(chan struct{}, calmly)
	t.Run("timely", func(t *testing.T) {
		for _, f := range faults.All() {
			if slices.Contains(timely, f.Name) {
				t.Run(f.Name, func(t *testing.T) {
					t.Parallel()
					room <- struct{}{}
					defer func() { <-room }()
					told.of(t, f, func() string { return everyFault(t, person, f) })
				})
			}
		}
	})
	t.Run("all", func(t *testing.T) {
		for _, f := range faults.All() {
			if !f.Alone && f.Within <= patience && !slices.Contains(timely, f.Name) {
				t.Run(f.Name, func(t *testing.T) {
					t.Parallel()
					told.of(t, f, func() string { return everyFault(t, person, f) })
				})
			}
		}
	})
	t.Run("alone", func(t *testing.T) {
		for _, f := range faults.All() {
			if f.Alone {
				t.Run(f.Name, func(t *testing.T) { told.of(t, f, func() string { return aloneFault(t, person, f) }) })
			}
		}
	})
}

// becalmed waits until what was done to get here, as building programs, is over: by the node's agents all that comes then would follow
// from it. Where something else keeps the machine busy, it says so.
func becalmed(t *testing.T) {
	err := wait.PollUntilContextTimeout(t.Context(), time.Second, settles/2, true, func(context.Context) (bool, error) {
		data, err := os.ReadFile("/proc/pressure/cpu")
		if err != nil {
			return false, err
		}
		var ten, sixty float64
		if _, err := fmt.Sscanf(string(data), "some avg10=%f avg60=%f", &ten, &sixty); err != nil {
			return false, err
		}
		return sixty < calm, nil
	})
	if err != nil {
		t.Logf("the machine is busy, and what takes time will be put down to that: %v", err)
	}
}

// calm is how much of a minute processes may wait for a processor, in percent: half of the agents' mark for it.
const calm = 10

// A tally is what became of faults, by the kind of that.
type tally struct {
	mu sync.Mutex
	by map[string][]string
}

func (a *tally) of(t *testing.T, f faults.Fault, become func() string) {
	verdict := "not established"
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		kind, _, _ := strings.Cut(verdict, ":")
		a.by[kind] = append(a.by[kind], f.Name+verdict[len(kind):])
		t.Logf("EVERY %s: %s", f.Name, verdict)
	}()
	verdict = become()
}

func (a *tally) show(t *testing.T) {
	for _, kind := range slices.Sorted(maps.Keys(a.by)) {
		slices.Sort(a.by[kind])
		t.Logf("%s: %d\n  %s", kind, len(a.by[kind]), strings.Join(a.by[kind], "\n  "))
	}
}

// everyFault makes a fault and tells what became of it.
func everyFault(t *testing.T, person *console, f faults.Fault) string {
	establish(t, f, ofFault(f.Name))
	return person.await(t, f, func() []recording {
		var all []recording
		for _, one := range person.incidents(t, ofFault(f.Name)) {
			all = append(all, one.Incident)
		}
		return all
	})
}

// aloneFault makes a fault beside which there is no other, and tells what became of it, wherever in the cluster.
func aloneFault(t *testing.T, person *console, f faults.Fault) string {
	vacant(t)
	person.settled(t)
	before := map[string]int{}
	for _, in := range person.since(t, nil) {
		before[in.ID] = in.Times
	}
	establish(t, f, ofFault(f.Name))
	return person.await(t, f, func() []recording { return person.since(t, before) })
}

// vacant waits until what faults before left is gone: the next may keep it there, as a node without a network plugin does.
func vacant(t *testing.T) {
	c := connect(t, ofFault(""))
	err := wait.PollUntilContextTimeout(t.Context(), time.Second, settles, true, func(ctx context.Context) (bool, error) {
		all, err := c.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(all.Items, func(ns corev1.Namespace) bool { return strings.HasPrefix(ns.Name, c.Namespace) }), nil
	})
	if err != nil {
		t.Logf("something of a fault before is there still: %v", err)
	}
}

// settled waits until no incident has changed for a while: a node that was made well by a restart ends what is on it once more.
func (c *console) settled(t *testing.T) {
	last, since := 0, time.Now()
	_ = wait.PollUntilContextTimeout(t.Context(), time.Second, settles, true, func(context.Context) (bool, error) { // then it is made beside that
		times := 0
		for _, in := range c.since(t, nil) {
			times += in.Times
		}
		if times != last {
			last, since = times, time.Now()
		}
		return time.Since(since) > 15*time.Second, nil
	})
}

// since returns the incidents of the whole cluster that are proven and have more deaths than they had, by their names.
func (c *console) since(t *testing.T, before map[string]int) []recording {
	var all []recording
	for next := "/incidents"; next != ""; {
		var page struct {
			Items []recording
			Next  string
		}
		if !c.get(t, next, &page) {
			t.Fatalf("there is no %s", next)
		}
		for _, in := range page.Items {
			var one telling
			if in.Times > before[in.ID] && c.get(t, "/incidents/"+in.ID, &one) && slices.ContainsFunc(one.Deaths, func(d ended) bool { return d.Settled }) {
				all = append(all, one.Incident)
			}
		}
		next = page.Next
	}
	return all
}

// await waits until a fault has become the right incident, and tells what it became.
func (c *console) await(t *testing.T, f faults.Fault, incidents func() []recording) string {
	want := wanted(t, f)
	isRight := func(in recording) bool { return slices.Contains(want, in.Rule) }
	isBeside := func(in recording) bool { return slices.Contains(neighbours[f.Name], in.Rule) }
	var all []recording
	look := func(context.Context) (bool, error) {
		all = incidents()
		return slices.ContainsFunc(all, isRight), nil
	}
	limit := cmp.Or(slow[f.Name], settles)
	if want == nil {
		limit = quiet
	}
	_ = wait.PollUntilContextTimeout(t.Context(), 5*time.Second, limit, true, look) // what it ends with is told below
	if slices.ContainsFunc(all, isRight) {
		pause(t.Context(), 20*time.Second) // is there another?
		_, _ = look(t.Context())
	}
	if rest := slices.DeleteFunc(slices.Clone(all), isBeside); want == nil || len(rest) > 0 {
		all = rest
	}
	right := slices.ContainsFunc(all, isRight)
	others := slices.ContainsFunc(all, func(in recording) bool { return !isRight(in) && !slices.Contains(f.And, in.Rule) })
	switch {
	case want == nil && len(all) == 0:
		return "rightly none"
	case right && !others && len(all) <= 1+min(len(f.And), 1):
		return "right"
	}
	text := fmt.Sprintf(": expected %q", want)
	for _, in := range all {
		text += fmt.Sprintf("; %s %s of %s/%s, %d times, %s", in.Rule, in.Confidence, in.Thing.Kind, in.Thing.Name, in.Times, in.ID)
		c.save(t, f.Name+"-"+in.ID+".zip", "/incidents/"+in.ID+"/bundle.zip")
	}
	switch {
	case want == nil:
		return "an incident of what is none" + text
	case right:
		return "right, beside others" + text
	case len(all) == 0:
		return "none" + text
	}
	return "another" + text
}

// save keeps what an address gives where INQUEST_RECORD names a folder.
func (c *console) save(t *testing.T, file, path string) {
	folder := os.Getenv("INQUEST_RECORD")
	if folder == "" {
		return
	}
	at, err := c.at.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, file), data, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}
