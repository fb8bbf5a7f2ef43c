// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// AccountDeleted recognises a pod that cannot get its token because its service account was deleted.
var AccountDeleted = &diagnosis.Rule{
	ID:    "CFG006",
	Title: "ServiceAccount of the pod is gone",
	Doc: `
The pod was made while its service account existed, and when it gets to its node the account is gone: it was deleted, or
deleted and made again under the same name. The kubelet asks for a token in its name, the API server refuses, and the
volume with the token cannot be mounted. The pod waits in ContainerCreating.

**How it is told from its look-alikes.** By "failed to fetch token" and the account's name in the newest FailedMount
Event while the pod has no sandbox. An account that was never there keeps the pod from being made: then there is no pod.
A token that a pod does not mount is missed by its program, not by the kubelet. A kubelet that does not reach the API
server says so instead.

**What to do.** Make the account again where it is missing. Where it was made again since, delete the pod: its token
must be for the account that is there now.

The words are written in kubernetes pkg/kubelet/token/token_manager.go, the refusal in
pkg/registry/core/serviceaccount/storage/token.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		e := mountFailed(p)
		m := tokenFailed.FindStringSubmatch(e.Message)
		if m == nil {
			return
		}
		name, namespace := p.PodSpec().ServiceAccountName, p.About().Namespace
		f := diagnosis.Finding{At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), p.CiteSpec("serviceAccountName", name)}}
		f.Message = fmt.Sprintf("pod %s cannot get its token: its service account %s does not exist in namespace %s", p.About().Name, name, namespace)
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Create service account %s in namespace %s", name, namespace), Command: fmt.Sprintf("kubectl create serviceaccount -n %s %s", namespace, name),
		}}
		ref := evidence.RefTo("ServiceAccount", namespace, name)
		if p.Absent(ref) {
			f.Confidence = diagnosis.Certain
			f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromStatus, About: ref, Where: "the API server", Text: "not found"})
		} else if m[1] == "" {
			f.Message = fmt.Sprintf("pod %s cannot get its token: its service account %s was deleted and made again since the pod was made", p.About().Name, name)
			f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Delete pod %s, so that a new one uses the account that is there", p.About().Name), Command: fmt.Sprintf("kubectl delete pod -n %s %s", namespace, p.About().Name)}}
		}
		p.Report(f)
	},
}

// tokenFailed is how the kubelet passes on that the account is gone, or that it is another one of that name.
var tokenFailed = regex.New(`failed to fetch token: .*?(?:serviceaccounts ("[^"]+") not found|does not match the UID of the service account)`)
