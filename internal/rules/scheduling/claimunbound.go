// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ClaimUnbound recognises a pod that waits for a claim: it is missing, is being deleted, or is bound to no volume.
var ClaimUnbound = &diagnosis.Rule{
	ID:    "SCH012",
	Title: "The pod waits for a PersistentVolumeClaim",
	Doc: `
The scheduler places a pod only when each of its claims exists and is bound, or will be bound to a volume that is made where
the pod goes (WaitForFirstConsumer). It says of this pod that a claim is missing, is being deleted, or is of a class that
binds at once and has not.

**How it is told from its look-alikes.** The scheduler says "unbound immediate PersistentVolumeClaims" or names the claim that
was not found. A claim that waits for its first consumer is not what holds the pod up: then the other reasons of the verdict
count. A bound volume that is elsewhere is SCH011. Why a claim is not bound, as for want of a class or a provisioner, is told
by what is found about the claim, under which this finding then hangs.

**What to do.** Look at the claim: its class, its Events, and whether the provisioner of the class runs.

The words are written in kubernetes pkg/scheduler/framework/plugins/volumebinding/volume_binding.go; recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.VolumeFailed, diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != claim {
			return
		}
		text, name := v.of(claim)[0].text, p.About().Name
		if m := named.FindStringSubmatch(text); m != nil {
			message := fmt.Sprintf("pod %s uses the claim %s, which does not exist", name, m[1])
			fix := diagnosis.Fix{Title: "Create the claim, or correct its name in the pod", Command: "kubectl get pvc -n " + p.About().Namespace}
			if m[2] == "is being deleted" {
				message = fmt.Sprintf("pod %s uses the claim %s, which is being deleted", name, m[1])
				fix.Title = "Make the claim anew when it is gone, which is after the last pod that uses it, or use another"
			}
			facts := slices.DeleteFunc(claims(p), func(f evidence.Fact) bool { return f.Text != "claimName "+m[1] })
			v.report(p, claim, message, facts, fix)
			return
		}
		all, lacking := known(p)
		waits, facts := unbound(all)
		fix := diagnosis.Fix{Title: "Look why the claim is not bound: its class, its Events, its provisioner", Command: strings.TrimSpace("kubectl describe pvc -n " + p.About().Namespace + " " + waits)}
		message := fmt.Sprintf("pod %s waits for a claim that is bound to no volume", name)
		switch {
		case waits != "":
			message = fmt.Sprintf("pod %s waits for the claim %s, which is bound to no volume", name, waits)
		case lacking == 0 && len(all) > 0:
			message = fmt.Sprintf("pod %s waited for a claim that is bound by now, and its scheduler has not looked again yet", name)
			fix = diagnosis.Fix{Title: "Wait some minutes, or delete the pod so that it is looked at anew", Command: "kubectl delete pod -n " + p.About().Namespace + " " + name}
		}
		v.report(p, claim, message, append(claims(p), facts...), fix)
	},
}

var named = regex.New(`persistentvolumeclaim "([^"]*)" (not found|is being deleted)`)

// unbound names the first of the claims that is not bound, and cites the phase of each.
func unbound(claims []*corev1.PersistentVolumeClaim) (string, []evidence.Fact) {
	var first string
	var facts []evidence.Fact
	for _, c := range claims {
		if c.Status.Phase != corev1.ClaimBound {
			first = cmp.Or(first, c.Name)
			facts = append(facts, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(c), Where: "status.phase", Text: "phase " + string(c.Status.Phase),
			})
		}
	}
	return first, facts
}

// known returns the pod's claims that are known, and how many are not.
func known(p *diagnosis.Pass) (list []*corev1.PersistentVolumeClaim, lacking int) {
	pod, _ := p.Object(p.About()).(*corev1.Pod)
	for _, ref := range evidence.ClaimsOf(pod) {
		if c, ok := diagnosis.Get[*corev1.PersistentVolumeClaim](p, ref.Namespace, ref.Name); ok {
			list = append(list, c)
		} else {
			lacking++
		}
	}
	return list, lacking
}
