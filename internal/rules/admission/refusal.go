// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A refusal is what the API server said to a controller that wanted to create pods (or Jobs, claims, ReplicaSets).
type refusal struct {
	about evidence.Ref // the workload as a person knows it
	what  string       // what cannot be created: "3 pods of deployment web"
	wants int32        // how many of them, 0 where that is not known
	said  string       // the API server's words, without the controller's and the name of the thing
	why   cause        // none where nothing is refused
	facts []evidence.Fact
	sure  diagnosis.Confidence
}

// read returns what keeps the pass's workload from getting its pods. It is silent once they are there: a controller that
// got them in the end leaves its Events behind.
func read(p *diagnosis.Pass) refusal {
	o := p.Object(p.About())
	var r refusal
	var ok bool
	if d, is := o.(*appsv1.Deployment); is {
		r, ok = ofDeployment(p, d)
	} else {
		r, ok = ofController(p, o)
	}
	if !ok {
		return refusal{}
	}
	r = r.named(p)
	if r.why = r.cause(p); o.GetDeletionTimestamp() != nil && r.why != namespaceEnds {
		return refusal{}
	}
	return r
}

// ofDeployment reads what a Deployment repeats of its ReplicaSets in its conditions, or that it cannot make one. Where the
// ReplicaSet is known and tells it itself, nothing: it is told there.
func ofDeployment(p *diagnosis.Pass, d *appsv1.Deployment) (refusal, bool) {
	if slices.ContainsFunc(diagnosis.List[*appsv1.ReplicaSet](p, evidence.RefOf(d)), func(rs *appsv1.ReplicaSet) bool { return tells(p, rs) }) {
		return refusal{}, false
	}
	for _, c := range d.Status.Conditions {
		if c.Message != "" && (c.Type == appsv1.DeploymentReplicaFailure || c.Reason == "ReplicaSetCreateError") {
			return refusal{
				said: c.Message, sure: diagnosis.Certain, wants: missing(d),
				facts: []evidence.Fact{condition(p, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime)},
			}, true
		}
	}
	return ofEvent(p, d, "ReplicaSetCreateError")
}

// ofController reads the condition of a ReplicaSet or ReplicationController, or the Event of any controller.
func ofController(p *diagnosis.Pass, o evidence.Object) (refusal, bool) {
	if missing(o) == 0 {
		return refusal{}, false
	}
	if said, fact, ok := failure(p, o); ok {
		return refusal{said: said, sure: diagnosis.Certain, wants: missing(o), facts: append([]evidence.Fact{fact}, counts(p, o)...)}, true
	}
	return ofEvent(p, o, "FailedCreate")
}

// failure returns the condition ReplicaFailure, if its words are known: kubectl describe leaves them out. It is the only one there
// is, is True while it is there, and goes when the controller gets its pods.
func failure(p *diagnosis.Pass, o evidence.Object) (string, evidence.Fact, bool) {
	switch o := o.(type) {
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Message != "" {
				return c.Message, condition(p, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime), true
			}
		}
	case *corev1.ReplicationController:
		for _, c := range o.Status.Conditions {
			if c.Message != "" {
				return c.Message, condition(p, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime), true
			}
		}
	}
	return "", evidence.Fact{}, false
}

// ofEvent reads the last Event of that reason, unless something was created since.
func ofEvent(p *diagnosis.Pass, o evidence.Object, reason string) (refusal, bool) {
	events := p.EventsOf(evidence.RefOf(o), reason)
	if missing(o) == 0 || len(events) == 0 {
		return refusal{}, false
	}
	last := events[len(events)-1]
	if over(p, o, last) {
		return refusal{}, false
	}
	return refusal{said: last.Message, sure: diagnosis.Likely, wants: missing(o), facts: append([]evidence.Fact{last.Fact()}, counts(p, o)...)}, true
}

// tells tells whether a ReplicaSet itself says why it has too few pods.
func tells(p *diagnosis.Pass, rs *appsv1.ReplicaSet) bool {
	if missing(rs) == 0 {
		return false
	}
	_, _, ok := failure(p, rs)
	events := p.EventsOf(evidence.RefOf(rs), "FailedCreate")
	return ok || len(events) > 0 && !over(p, rs, events[len(events)-1])
}

// over tells whether something was created after the failure. The recorder puts equal Events together, so the times are
// those of the last of each.
func over(p *diagnosis.Pass, o evidence.Object, failed evidence.Event) bool {
	made := p.EventsOf(evidence.RefOf(o), "SuccessfulCreate")
	return lastSuccess(o).After(failed.Last) || slices.ContainsFunc(made, func(e evidence.Event) bool { return e.Last.After(failed.Last) })
}
