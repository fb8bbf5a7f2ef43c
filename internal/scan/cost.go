// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"slices"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Death is what is known of ends of one container: how many, and what brought them about. They are of a cluster or of the
// history, and not of the manifests.
type Death struct {
	Of      evidence.Ref // the workload, with its container
	Count   int
	Effects []string // of the findings that explain it, the cause first
}

// A Cost is what a finding has cost already.
type Cost struct {
	Deaths    int    // of the container or workload that the finding is about
	Explained int    // of those, by what the finding warns of
	what      string // "missing startupProbe", in a word or two
}

// String says it: "explains 14 of 19 restarts"; empty where nothing is known.
func (c Cost) String() string {
	if c.Explained == 0 {
		return ""
	}
	return fmt.Sprintf("%s explains %d of %d restarts", c.what, c.Explained, c.Deaths)
}

// what names the findings of our rules that restarts can be laid to.
var what = map[string]string{
	"PRB102": "this liveness probe", "PRB103": "this missing startupProbe", "PRB104": "this port of a probe", "PRB105": "this impatient probe",
	"PRB106": "this liveness probe", "RES101": "this missing memory limit", "RES102": "this missing memory request", "MEM101": "this heap setting",
	"MEM102": "this volume in memory", "RES106": "this CPU limit", "STP101": "this preStop hook", "STP103": "this shell",
}

// Price tells of each finding what it has cost, by the deaths of what it is about: those that an effect of the same word
// explains are laid to it.
func (r *Result) Price(deaths []Death) {
	for i := range r.Findings {
		f := &r.Findings[i]
		name, ok := what[f.Rule]
		if f.Tool != Ours || !ok {
			continue
		}
		c := Cost{what: name}
		for _, d := range deaths {
			same := d.Of.Object() == f.About.Object() && (f.About.Container == "" || d.Of.Container == f.About.Container)
			if !same {
				continue
			}
			c.Deaths += d.Count
			if slices.Contains(d.Effects, f.effect) {
				c.Explained += d.Count
			}
		}
		f.Cost = c
	}
}
