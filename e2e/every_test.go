// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubeinquest/inquest/e2e/faults"
)

// settles is how long after a fault is established its incident is waited for: what only time brings about counts after a minute.
const settles = 2 * time.Minute

// TestRecorderEvery runs the server as a pod, with agents, beside every fault that disturbs nobody else, and says which of them become
// the right incident, alone. It takes a quarter of an hour, and so has the tag of storms.
func TestRecorderEvery(t *testing.T) {
	if !inLab() {
		return
	}
	agentsUp(t)
	serverUp(t)
	person := openConsole(t)
	var mutex sync.Mutex
	told := map[string][]string{}
	t.Run("all", func(t *testing.T) {
		for _, f := range faults.All() {
			if f.Alone || f.Within > patience {
				continue
			}
			t.Run(f.Name, func(t *testing.T) {
				t.Parallel()
				verdict := everyFault(t, person, f)
				mutex.Lock()
				defer mutex.Unlock()
				kind, _, _ := strings.Cut(verdict, ":")
				told[kind] = append(told[kind], f.Name+verdict[len(kind):])
			})
		}
	})
	for kind, names := range told {
		slices.Sort(names)
		t.Logf("%s: %d\n  %s", kind, len(names), strings.Join(names, "\n  "))
	}
}

// everyFault makes a fault and tells what became of it.
func everyFault(t *testing.T, person *console, f faults.Fault) string {
	establish(t, f, ofFault(f.Name))
	_, want := expected(t, f.Name)
	var all []string
	right := false
	look := func(context.Context) (bool, error) {
		all, right = nil, false
		for _, one := range person.incidents(t, ofFault(f.Name)) {
			in := one.Incident
			right = right || slices.Contains(want.Want, in.Rule)
			all = append(all, fmt.Sprintf("%s %s of %s/%s, %d times", in.Rule, in.Confidence, in.Thing.Kind, in.Thing.Name, in.Times))
		}
		return right, nil
	}
	limit := settles
	if f.Benign() {
		limit = 30 * time.Second
	}
	_ = wait.PollUntilContextTimeout(t.Context(), 5*time.Second, limit, true, look) // what it ends with is told below
	if right {
		pause(t.Context(), 20*time.Second) // is there another?
		_, _ = look(t.Context())
	}
	text := fmt.Sprintf(": expected %q: %s", want.Want, strings.Join(all, "; "))
	switch {
	case f.Benign() && len(all) == 0:
		return "rightly none"
	case f.Benign():
		return "an incident of what is benign" + text
	case right && len(all) == 1:
		return "right"
	case right:
		return "right, beside others" + text
	case len(all) == 0:
		return "none, but asked about by " + strings.SplitN(f.Ask, "/", 2)[0] + text
	}
	return "another" + text
}
