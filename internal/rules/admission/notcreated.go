// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// unmadeFor is how long a controller may take to create pods: it starts within milliseconds, and waits 10 ms to seconds after
// an error (kubernetes controller work queues).
const unmadeFor = 30 * time.Second

// NotCreated recognises a workload that has fewer pods than it wants where nobody says why.
var NotCreated = &diagnosis.Rule{
	ID:    "ADM013",
	Title: "The workload has no pods, and nothing says why",
	Doc: `
The workload wants pods, has none, and neither a condition nor an Event says what keeps its controller from creating them. The Event may
have expired: they are kept for one hour by default, and a controller that fails waits up to a quarter of an hour before it
tries again. Or the controller manager does not run; or the Deployment is paused before its first rollout.

**How it is told from its look-alikes.** The status has no replicas at all while the spec wants some, for longer than a controller
takes. With a condition ReplicaFailure or an Event FailedCreate it is one of the other rules of this family. Pods that exist and
are not ready are told about as pods. A generation that the status has not caught up with means that no controller looked.

**What to do.** Make the controller try again, by scaling or by a restart of the rollout, and read the Events that it writes then.

See kubernetes pkg/controller/replicaset and pkg/controller/deployment.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Status | evidence.Events,
	Effect:   diagnosis.Unavailable,
	CausedBy: []diagnosis.Effect{diagnosis.NotAdmitted, diagnosis.ControlPlaneSlow, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		o := p.Object(p.About())
		has, wants, _ := count(o)
		if wants == 0 || o.GetUID() == "" || o.GetDeletionTimestamp() != nil || p.Now().Sub(o.GetCreationTimestamp().Time) < unmadeFor {
			return
		}
		if has > 0 || read(p).why != none || len(p.Owners()) > 0 || betweenTries(o) || hasPods(p, o) || below(p) {
			return
		}
		who := strings.ToLower(p.About().Kind) + " " + p.About().Name
		f := diagnosis.Finding{Confidence: diagnosis.Possible, Facts: counts(p, o)}
		f.Message = fmt.Sprintf("%s has none of the pods that it wants (%d), and nothing that could be read says why", who, wants)
		again := fmt.Sprintf("kubectl rollout restart -n %s %s", p.About().Namespace, p.About())
		if _, ok := o.(*batchv1.Job); ok {
			again = fmt.Sprintf("kubectl describe -n %s %s", p.About().Namespace, p.About())
		}
		f.Fixes = []diagnosis.Fix{{Title: "Make the controller try again, and read the Events that it writes then", Command: again}}
		switch d, _ := o.(*appsv1.Deployment); {
		case d != nil && d.Spec.Paused:
			f.Confidence = diagnosis.Certain
			f.Message = fmt.Sprintf("%s is paused and has no pods yet, so none are created", who)
			f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: "spec.paused", Text: "paused true"})
			f.Fixes = []diagnosis.Fix{{Title: "Resume the rollout", Command: fmt.Sprintf("kubectl rollout resume -n %s %s", p.About().Namespace, p.About())}}
		case unseen(o):
			f.Confidence = diagnosis.Likely
			f.Message = fmt.Sprintf("no controller has looked at %s, which has none of the pods that it wants (%d): the controller manager does not run or is stuck", who, wants)
			f.Facts = append(f.Facts, unwritten(p, o)...)
			f.Fixes = []diagnosis.Fix{{Title: "Look whether the controller manager runs", Command: "kubectl get pods,leases -n kube-system | grep -i controller-manager"}}
		}
		p.Report(f)
	},
}

// betweenTries tells whether a controller may have no pod for the moment: a CronJob, or a Job that has had one.
func betweenTries(o evidence.Object) bool {
	j, ok := o.(*batchv1.Job)
	_, timed := o.(*batchv1.CronJob)
	return timed || ok && (j.Status.Failed > 0 || j.Status.Succeeded > 0)
}

// hasPods tells whether pods of the workload are known although its status has none.
func hasPods(p *diagnosis.Pass, o evidence.Object) bool {
	for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Namespace", "", o.GetNamespace())) {
		for _, ref := range pod.OwnerReferences {
			if ref.UID == o.GetUID() || strings.HasPrefix(ref.Name, o.GetName()+"-") {
				return true
			}
		}
	}
	return false
}

// below tells whether a ReplicaSet of the Deployment says what is wrong.
func below(p *diagnosis.Pass) bool {
	return slices.ContainsFunc(diagnosis.List[*appsv1.ReplicaSet](p, p.About()), func(rs *appsv1.ReplicaSet) bool { return tells(p, rs) })
}

// unwritten cites what is absent or old in the status of an object that no controller has caught up with.
func unwritten(p *diagnosis.Pass, o evidence.Object) []evidence.Fact {
	f := evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About()}
	generation, seen := f, f
	generation.Where, generation.Text = "metadata.generation", fmt.Sprintf("generation %d", o.GetGeneration())
	seen.Where = "status.observedGeneration"
	switch o := o.(type) {
	case *appsv1.Deployment:
		seen.Text = fmt.Sprintf("observedGeneration %d", o.Status.ObservedGeneration)
	case *appsv1.StatefulSet:
		seen.Text = fmt.Sprintf("observedGeneration %d", o.Status.ObservedGeneration)
	case *appsv1.ReplicaSet:
		seen.Text = fmt.Sprintf("observedGeneration %d", o.Status.ObservedGeneration)
	default: // a Job counts no generations
		return nil
	}
	return []evidence.Fact{generation, seen}
}

// unseen tells whether no controller has caught up with the object.
func unseen(o evidence.Object) bool {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return o.Generation > o.Status.ObservedGeneration
	case *appsv1.StatefulSet:
		return o.Generation > o.Status.ObservedGeneration
	case *appsv1.ReplicaSet:
		return o.Generation > o.Status.ObservedGeneration
	case *batchv1.Job:
		return o.Status.StartTime == nil
	}
	return false
}
