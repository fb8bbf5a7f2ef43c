// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// AccountMissing recognises pods whose service account does not exist.
var AccountMissing = &diagnosis.Rule{
	ID:    "ADM005",
	Title: "The pods' ServiceAccount does not exist",
	Doc: `
The template names a service account that is not there: it was never created, is in another namespace, or was deleted with the
release that it belonged to. The API server refuses such pods. Pods that exist already go on.

**How it is told from its look-alikes.** The refusal says "error looking up service account … not found". A namespace that has
just been made has no account named default for a moment: that goes by itself, and the controller then gets its pods. An account
that exists and lacks a permission lets the pod be created, and its program fails later.

**What to do.** Create the account, or name one that exists in serviceAccountName.

The words are written in kubernetes plugin/pkg/admission/serviceaccount/admission.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != account {
			return
		}
		m := noAccount.FindStringSubmatch(r.said)
		r.report(p, fmt.Sprintf("their service account %s does not exist in namespace %s", m[1], p.About().Namespace), absent(p, "ServiceAccount", p.About().Namespace, m[1]), diagnosis.Fix{
			Title: "Create the service account " + m[1], Command: fmt.Sprintf("kubectl create serviceaccount -n %s %s", p.About().Namespace, m[1]),
		}, diagnosis.Fix{Title: "Or name one that exists", Command: "kubectl get serviceaccounts -n " + p.About().Namespace})
	},
}

var noAccount = regex.New(`error looking up service account [^/\s]+/(\S+): .*not found`)

// absent cites that somebody looked for a thing and did not find it.
func absent(p *diagnosis.Pass, kind, namespace, name string) []evidence.Fact {
	ref := evidence.RefTo(kind, namespace, name)
	if !p.Absent(ref) {
		return nil
	}
	return []evidence.Fact{{Kind: evidence.Spec, Source: evidence.FromStatus, About: ref, Where: "the API server", Text: "not found"}}
}
