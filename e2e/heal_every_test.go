// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package e2e

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kubeinquest/inquest/e2e/faults"
)

// The least that is demanded of first fixes.
const (
	leastMended = 35
	leastShare  = 0.95
)

// beyond are faults that no change of an object mends, though their first fix is one, with why not. The program must not say of them that
// they are cured.
var beyond = map[string]string{
	"liveness-early":     "its program never answers",
	"liveness-refused":   "its program never listens",
	"liveness-zero":      "its program never listens",
	"liveness-throttled": "its program takes every processor that it is given",
	"image-never":        "its image is nowhere",
	"wrong-system":       "no node of the lab runs Windows",
	"class-none":         "the lab has no storage class that would make a volume",
	"pod-security":       "its image runs as root, which the fix says it must not",
}

// TestHealEvery applies the first fix of every fault of which that is a patch, and says what came of each.
func TestHealEvery(t *testing.T) {
	if !inLab() {
		return
	}
	var mutex sync.Mutex
	all := map[string]healing{}
	try := func(t *testing.T, f faults.Fault) {
		h := heal(t, f)
		t.Logf("%s\n%s\n%s", h, h.said, h.back)
		mutex.Lock()
		defer mutex.Unlock()
		all[f.Name] = h
	}
	t.Run("together", func(t *testing.T) {
		for _, f := range faults.All() {
			if !f.Alone && !f.Benign() && f.Within <= patience {
				t.Run(f.Name, func(t *testing.T) { t.Parallel(); try(t, f) })
			}
		}
	})
	reckon(t, all)
}

// reckon counts what came of the fixes, and holds it against what is demanded.
func reckon(t *testing.T, all map[string]healing) {
	by := map[string][]string{}
	mended, tried := 0, 0
	for name, h := range all {
		line := name + ": " + h.rule + " " + h.title
		if h.back != "" {
			t.Errorf("the undo of %s does not restore the object: %s", name, h.back)
		}
		switch {
		case beyond[name] != "":
			if h.outcome == cured {
				t.Errorf("%s counts as cured, and %s", name, beyond[name])
			}
			h.outcome = "beyond a fix, and told so"
		case h.outcome == cured:
			mended, tried = mended+1, tried+1
		case h.outcome == failed, h.outcome == worse, h.outcome == refused:
			tried++
			line += "\n    " + strings.ReplaceAll(strings.TrimSpace(h.said), "\n", "\n    ")
		}
		by[h.outcome] = append(by[h.outcome], line)
	}
	for outcome, names := range by {
		slices.Sort(names)
		t.Logf("%s: %d\n  %s", outcome, len(names), strings.Join(names, "\n  "))
	}
	if tried < leastMended || float64(mended) < leastShare*float64(tried) || len(by[worse]) > 0 {
		t.Errorf("%d of %d faults are mended by their first fix, %d are worse than before; demanded are %.0f %% of at least %d, and none worse", mended, tried, len(by[worse]), 100*leastShare, leastMended)
	}
}
