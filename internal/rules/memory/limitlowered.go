// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// LimitLowered recognises a memory limit that the last rollout made smaller.
var LimitLowered = &diagnosis.Rule{
	ID:    "MEM015",
	Title: "Memory limit was lowered by the last rollout",
	Doc: `
The container was killed at its memory limit, and in the revision of the Deployment before this one the limit was higher, or there was
none. The program may need what it always needed.

**How it is told from its look-alikes.** The ReplicaSets of a Deployment keep the pod templates of its revisions: the newest one with a
lower number is compared with the pod's own. A limit that was the same or lower before has nothing to do with it: then the need
has grown, and a new image in the same rollout is the first thing to look at.

**What to do.** Go back to the revision before, or set the limit back.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host,
	Effect:   diagnosis.ConfigChanged,
	CausedBy: []diagnosis.Effect{diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		owners := p.Owners()
		if d.class != ownLimit || d.limit == nil || len(owners) == 0 {
			return
		}
		now, _ := p.Object(owners[0]).(*appsv1.ReplicaSet)
		before := previous(p, now)
		if before == nil {
			return
		}
		i := indexOf(before.Spec.Template.Spec.Containers, d.Of.Container)
		if i < 0 {
			return
		}
		was := before.Spec.Template.Spec.Containers[i].Resources.Limits.Memory()
		if !was.IsZero() && was.Cmp(*d.limit) <= 0 {
			return
		}
		text := was.String()
		if was.IsZero() {
			text = "none"
		}
		ref := evidence.RefOf(before)
		top := owners[len(owners)-1]
		p.Report(diagnosis.Finding{
			At: now.CreationTimestamp.Time, Confidence: diagnosis.Likely,
			Message: fmt.Sprintf("the memory limit of container %s is %s since ReplicaSet %s; before, it was %s", d.Of.Container, d.limit, now.Name, text),
			Facts: []evidence.Fact{
				{Kind: evidence.Spec, Source: evidence.FromSpec, About: ref, At: before.CreationTimestamp.Time, Where: "spec.template.spec.containers[" + d.Of.Container + "].resources.limits.memory", Text: "memory " + text},
				p.CiteSpec("resources.limits.memory", d.limit), d.Fact(),
			},
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Set the memory limit of %s back to %s, or roll back", d.Of.Container, text), Risk: diagnosis.Restart,
				Command: fmt.Sprintf("kubectl -n %s rollout undo deployment/%s", top.Namespace, top.Name),
			}},
		})
	},
}

const revision = "deployment.kubernetes.io/revision"

// previous returns the ReplicaSet of the same Deployment whose revision comes before that of rs, as far as it is known.
func previous(p *diagnosis.Pass, rs *appsv1.ReplicaSet) *appsv1.ReplicaSet {
	if rs == nil || metav1.GetControllerOf(rs) == nil {
		return nil
	}
	var best *appsv1.ReplicaSet
	number := func(rs *appsv1.ReplicaSet) int {
		n, err := strconv.Atoi(rs.Annotations[revision])
		if err != nil {
			return -1
		}
		return n
	}
	for _, other := range diagnosis.List[*appsv1.ReplicaSet](p, evidence.RefTo("Namespace", "", rs.Namespace)) {
		c := metav1.GetControllerOf(other)
		if c == nil || c.UID != metav1.GetControllerOf(rs).UID || number(other) >= number(rs) || number(other) < 0 {
			continue
		}
		if best == nil || number(other) > number(best) {
			best = other
		}
	}
	return best
}

func indexOf(containers []corev1.Container, name string) int {
	for i := range containers {
		if containers[i].Name == name {
			return i
		}
	}
	return -1
}
