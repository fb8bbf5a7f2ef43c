// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ServiceAccountMissing recognises a workload whose pods are not made because their service account is missing.
var ServiceAccountMissing = &diagnosis.Rule{
	ID:    "CFG006",
	Title: "ServiceAccount does not exist",
	Doc: `
The pod template names a service account that is not in the namespace, and the API server refuses every pod. There is no
pod to look at: the controller's status and its Events have the refusal. It tries again, with pauses of up to a quarter
of an hour.

**How it is told from its look-alikes.** By "error looking up service account" and "not found" in the FailedCreate Event
or in the condition ReplicaFailure. A quota, a policy or Pod Security refuse in the same place with other words. The
condition makes it certain; an Event alone, after which no pod was made, likely. A service account that is deleted later
does not stop pods that exist, but new ones cannot get their token.

**What to do.** Create the service account in that namespace, or correct serviceAccountName; where a chart makes both,
see why it left one out. Then the controller goes on at its next try; kubectl rollout restart makes it try at once.

The words are written in kubernetes plugin/pkg/admission/serviceaccount/admission.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		if top, _ := p.Workload(); top != p.About() && p.Object(top) != nil {
			return // told with the topmost controller
		}
		refusal, sure := refusedPods(p)
		m := accountWords.FindStringSubmatch(refusal.Text)
		if m == nil {
			return
		}
		name, namespace := m[1], p.About().Namespace
		p.Report(diagnosis.Finding{
			At: refusal.At, Confidence: sure, Facts: []evidence.Fact{refusal},
			Message: fmt.Sprintf("%s gets no pods: its service account %s does not exist in namespace %s", p.About(), name, namespace),
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Create service account %s in namespace %s, or correct serviceAccountName", name, namespace),
				Command: fmt.Sprintf("kubectl create serviceaccount -n %s %s", namespace, name),
			}},
		})
	},
}

var accountWords = regexp.MustCompile(`error looking up service account [^/\s]+/\S+: serviceaccount "([^"]+)" not found`)

// refusedPods returns why the workload's pods are not made: from the condition ReplicaFailure, which the controllers of
// Deployments and ReplicaSets set, else from the newest Event of the workload or of a ReplicaSet below it, if no pod was
// made after it.
func refusedPods(p *diagnosis.Pass) (evidence.Fact, diagnosis.Confidence) {
	all := []evidence.Ref{p.About()}
	for _, rs := range diagnosis.List[*appsv1.ReplicaSet](p) {
		if owner := metav1.GetControllerOf(rs); owner != nil && owner.Kind == p.About().Kind && owner.Name == p.About().Name && rs.Namespace == p.About().Namespace {
			all = append(all, evidence.RefOf(rs))
		}
	}
	for _, ref := range all {
		if fact, ok := replicaFailure(p.Object(ref), ref); ok {
			return fact, diagnosis.Certain
		}
	}
	for _, ref := range all {
		events := p.EventsOf(ref, "FailedCreate", "SuccessfulCreate")
		if n := len(events); n > 0 && events[n-1].Reason == "FailedCreate" {
			return events[n-1].Fact(), diagnosis.Likely
		}
	}
	return evidence.Fact{}, 0
}

func replicaFailure(o evidence.Object, ref evidence.Ref) (evidence.Fact, bool) {
	cite := func(status, reason, message string, at metav1.Time) (evidence.Fact, bool) {
		return evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: ref, At: at.UTC(), Where: "status.conditions[ReplicaFailure]",
			Text: fmt.Sprintf("status %s, reason %s, message %s", status, reason, message),
		}, status == "True"
	}
	switch o := o.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure {
				return cite(string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
			}
		}
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure {
				return cite(string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
			}
		}
	}
	return evidence.Fact{}, false
}
