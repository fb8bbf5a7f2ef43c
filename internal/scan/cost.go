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
	Effects []string // of the findings that explain it, the cause first; none where nobody can tell
}

// A Cost is what a finding has cost already.
type Cost struct {
	Deaths    int    // of the container or workload that the finding is about
	Known     int    // those of which the cause is known
	Explained int    // of those, by what the finding warns of
	what      string // "missing startupProbe", in a word or two
}

// String says it: "explains 14 of 19 restarts", or "explains 2 of 3 restarts whose cause is known, of 19"; empty where nothing is known.
func (c *Cost) String() string {
	switch {
	case c.Explained == 0:
		return ""
	case c.Known < c.Deaths:
		return fmt.Sprintf("%s explains %d of %s whose cause is known, of %d", c.what, c.Explained, count(c.Known, "restart"), c.Deaths)
	}
	return fmt.Sprintf("%s explains %d of %d restarts", c.what, c.Explained, c.Deaths)
}

// add counts deaths.
func (c *Cost) add(d Death) {
	c.Deaths += d.Count
	if len(d.Effects) > 0 {
		c.Known += d.Count
	}
}

// what names the findings of our rules that restarts can be laid to.
var what = map[string]string{
	"PRB102": "this liveness probe", "PRB103": "this missing startupProbe", "PRB104": "this port of a probe", "PRB105": "this impatient probe",
	"PRB106": "this liveness probe", "RES101": "this missing memory limit", "RES102": "this missing memory request", "MEM101": "this heap setting",
	"MEM102": "this volume in memory", "RES106": "this CPU limit", "STP101": "this preStop hook", "STP103": "this shell",
}

// Costly returns the workloads that there are findings about which restarts can be laid to, each once, in order.
func (r *Result) Costly() []evidence.Ref {
	var list []evidence.Ref
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Tool == Ours && what[f.Rule] != "" && f.About.Kind != "" {
			list = append(list, f.About.Object())
		}
	}
	slices.SortFunc(list, evidence.Ref.Compare)
	return slices.Compact(list)
}

// Price tells of each finding what it has cost, by the deaths of what it is about: those that an effect of the same word
// explains are laid to it.
func (r *Result) Price(deaths []Death) {
	r.priced = true
	of := r.Costly()
	for _, d := range deaths {
		if _, is := slices.BinarySearchFunc(of, d.Of.Object(), evidence.Ref.Compare); is {
			r.restarts.add(d)
		}
	}
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
			c.add(d)
			if slices.Contains(d.Effects, f.effect) {
				c.Explained += d.Count
			}
		}
		f.Cost = c
	}
}
