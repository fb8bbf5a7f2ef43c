// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A revision is one pod template that a workload had, and the pods made from it.
type revision struct {
	ref      evidence.Ref // the ReplicaSet; of a StatefulSet or DaemonSet the ControllerRevision
	top      evidence.Ref // the workload
	number   int64
	made     time.Time
	template *corev1.PodTemplateSpec
	hash     string // what its pods are labelled with, where they have no owner of their own
}

// deploymentRevision is the annotation by which a Deployment numbers its ReplicaSets.
const deploymentRevision = "deployment.kubernetes.io/revision"

// revisionsOf returns the revisions known of the workload that is or controls the thing, the newest first.
func revisionsOf(p *diagnosis.Pass) []revision {
	top, _ := p.Workload()
	var list []revision
	for _, rs := range diagnosis.List[*appsv1.ReplicaSet](p, top) {
		n, err := strconv.ParseInt(rs.Annotations[deploymentRevision], 10, 64)
		if err == nil {
			list = append(list, revision{ref: evidence.RefOf(rs), top: top, number: n, made: rs.CreationTimestamp.UTC(), template: &rs.Spec.Template})
		}
	}
	for _, cr := range diagnosis.List[*appsv1.ControllerRevision](p, top) {
		var data struct {
			Spec struct {
				Template *corev1.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if json.Unmarshal(cr.Data.Raw, &data) != nil || data.Spec.Template == nil {
			continue
		}
		hash := cr.Name // a StatefulSet labels its pods with this, a DaemonSet with the hash alone
		if top.Kind == "DaemonSet" {
			hash = cr.Labels[appsv1.ControllerRevisionHashLabelKey]
		}
		list = append(list, revision{ref: evidence.RefOf(cr), top: top, number: cr.Revision, made: cr.CreationTimestamp.UTC(), template: data.Spec.Template, hash: hash})
	}
	slices.SortStableFunc(list, func(a, b revision) int { return cmp.Compare(b.number, a.number) })
	return list
}

// revisionsSince returns the revision that the pass's pod was made from and those before it; none where that is not known.
func revisionsSince(p *diagnosis.Pass) []revision {
	all := revisionsOf(p)
	i := slices.IndexFunc(all, func(r revision) bool { return r.has(p.PodMeta()) })
	if i < 0 {
		return nil
	}
	return all[i:]
}

// has tells whether a pod of the workload was made from the revision.
func (r revision) has(pod *metav1.ObjectMeta) bool {
	if r.hash != "" {
		return pod.Labels[appsv1.ControllerRevisionHashLabelKey] == r.hash
	}
	return slices.ContainsFunc(pod.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Name == r.ref.Name })
}

// cite makes facts of what two revisions have at the place of a difference; where that cannot be said in a line, of the
// newer one's number.
func (r revision) cite(d difference, before revision) []evidence.Fact {
	var facts []evidence.Fact
	for _, side := range []struct {
		r    revision
		text string
	}{{before, d.was}, {r, d.is}} {
		root := "spec.template."
		if side.r.hash != "" {
			root = "data.spec.template."
		}
		if side.text != "" && len(side.text) <= longest {
			facts = append(facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: side.r.ref, At: side.r.made, Where: root + d.where, Text: side.text})
		}
	}
	if len(facts) > 0 {
		return facts
	}
	f := evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: r.ref, At: r.made, Where: "metadata.annotations", Text: fmt.Sprintf("%s %d", deploymentRevision, r.number)}
	if r.hash != "" {
		f.Where, f.Text = "revision", fmt.Sprintf("revision %d", r.number)
	}
	return []evidence.Fact{f}
}

// longest is how long a command may be to be shown whole.
const longest = 200
