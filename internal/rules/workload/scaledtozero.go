// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ScaledToZero recognises a workload that is told to have no pods.
var ScaledToZero = &diagnosis.Rule{
	ID:    "WRK002",
	Title: "Workload is scaled to zero",
	Doc: `
The workload wants no pods: its replicas are 0. Nothing died and nothing fails to start; whoever calls it finds nobody.

**How it is told from its look-alikes.** The spec says 0 and the status has no pods. A workload that wants pods and has
none cannot create or start them, which other rules say. ReplicaSets of a Deployment are at 0 whenever a newer revision has
taken over and are not looked at; a Deployment that is scaled down to fewer pods than before has some left. Who wrote the
number is kept by the API server (managed fields), and the Deployment's own Events tell when; where neither is known the
workload may have been at zero for ever, and the finding is likely.

**What to do.** Scale it up, unless it was meant. Where an autoscaler or a GitOps tool wrote the 0, change it there: it
would write it again.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.Unavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		o := p.Object(p.About())
		wants, has, ok := size(o)
		if !ok || wants != 0 || has != 0 || metav1.GetControllerOf(o) != nil {
			return
		}
		f := diagnosis.Finding{
			Confidence: diagnosis.Likely, At: p.Now(),
			Facts: []evidence.Fact{spec(p, "spec.replicas", "replicas 0")},
		}
		if seen := observed(o); seen > 0 {
			f.Facts = append(f.Facts, status(p, p.Now(), "status.observedGeneration", "observedGeneration %d", seen))
		}
		kind := strings.ToLower(p.About().Kind)
		f.Message = fmt.Sprintf("%s %s is scaled to zero", kind, p.About().Name)
		if by, fact := writer(o, "f:replicas"); by != "" {
			f.Confidence = diagnosis.Certain
			f.Message += " by " + by
			f.Facts = append(f.Facts, fact)
		} else if len(o.GetManagedFields()) > 0 { // of a 0 that is written so the server keeps no writer
			f.Message += " through its scale subresource, as kubectl scale does"
		}
		for _, e := range p.Events("ScalingReplicaSet", "SuccessfulDelete") {
			if strings.HasSuffix(e.Message, " to 0") || e.Reason == "SuccessfulDelete" {
				f.Facts = append(f.Facts, e.Fact())
				if observed(o) > 0 {
					f.Confidence = diagnosis.Certain
				}
			}
		}
		f.Message += keeper(o)
		fix := diagnosis.Fix{Title: fmt.Sprintf("Scale %s %s up, unless it is meant to be off", kind, p.About().Name), Risk: diagnosis.Restart}
		replicas := max(before(f.Facts), 1)
		if p.About().Kind == "Deployment" || p.About().Kind == "StatefulSet" {
			fix.Patch = patch(p, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
		} else {
			fix.Command = kubectl(p, "scale") + fmt.Sprintf(" --replicas=%d", replicas)
		}
		f.Fixes = []diagnosis.Fix{fix}
		p.Report(f)
	},
}

// size returns how many pods a workload wants and has.
func size(o evidence.Object) (wants, has int32, ok bool) {
	var replicas *int32
	switch o := o.(type) {
	case *appsv1.Deployment:
		replicas, has = o.Spec.Replicas, o.Status.Replicas
	case *appsv1.StatefulSet:
		replicas, has = o.Spec.Replicas, o.Status.Replicas
	case *appsv1.ReplicaSet:
		replicas, has = o.Spec.Replicas, o.Status.Replicas
	case *corev1.ReplicationController:
		replicas, has = o.Spec.Replicas, o.Status.Replicas
	}
	if replicas == nil {
		return 0, 0, false
	}
	return *replicas, has, true
}

// observed returns the generation of the spec that the workload's controller has acted on; 0 where it is not known.
func observed(o evidence.Object) int64 {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return o.Status.ObservedGeneration
	case *appsv1.StatefulSet:
		return o.Status.ObservedGeneration
	case *appsv1.ReplicaSet:
		return o.Status.ObservedGeneration
	}
	return 0
}

// keeper names what is known to write replicas by an annotation that it leaves.
func keeper(o evidence.Object) string {
	for _, k := range []struct{ annotation, says string }{
		{"downscaler/original-replicas", "; kube-downscaler does so outside of working hours"},
		{"autoscaling.keda.sh/paused-replicas", "; KEDA holds it there"},
		{"argocd.argoproj.io/tracking-id", "; Argo CD manages it, so change it in Git"},
		{"meta.helm.sh/release-name", "; Helm manages it"},
		{"kustomize.toolkit.fluxcd.io/name", "; Flux manages it, so change it in Git"},
	} {
		if o.GetAnnotations()[k.annotation] != "" || o.GetLabels()[k.annotation] != "" {
			return k.says
		}
	}
	return ""
}

// before is from how many pods the workload was scaled down, as its Events tell; 0 where they do not.
func before(facts []evidence.Fact) int {
	n, at := 0, time.Time{}
	for _, f := range facts {
		var from int
		if _, tail, _ := strings.Cut(f.Text, " from "); f.Source == evidence.FromEvent && !f.At.Before(at) {
			if _, err := fmt.Sscanf(tail, "%d to 0", &from); err == nil {
				n, at = from, f.At
			}
		}
	}
	return n
}
