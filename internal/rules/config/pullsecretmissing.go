// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// PullSecretMissing recognises a pull secret that the kubelet could not read.
var PullSecretMissing = &diagnosis.Rule{
	ID:    "CFG007",
	Title: "Pull secret does not exist",
	Doc: `
The pod, or its service account, names a Secret with credentials for a registry, and the kubelet cannot read it: it is
not in the pod's namespace, or is not of a type for this. The kubelet goes on without it and says so in an Event. That
is no trouble by itself: an image that anybody may pull, or that the node has, starts all the same. So it is told only
where a refused pull follows from it.

**How it is told from its look-alikes.** By the Event FailedToRetrieveImagePullSecret. A secret that is there and holds
old or wrong credentials gives no such Event, and the registry refuses all the same. A Secret that a container or a
volume needs holds the pod up.

**What to do.** Create the secret in the pod's own namespace (they are not shared), or correct its name in the pod or
the service account.

The Event is written in kubernetes pkg/kubelet/kubelet.go (getPullSecretsForPod); recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		events := p.Events("FailedToRetrieveImagePullSecret")
		if len(events) == 0 {
			return
		}
		e := events[len(events)-1]
		names := captured(pullSecretWords, e.Message, "(unknown)")
		f := diagnosis.Finding{At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact()}}
		for _, s := range p.PodSpec().ImagePullSecrets {
			if slices.Contains(strings.Split(names, ", "), s.Name) {
				f.Facts = append(f.Facts, p.CiteSpec("imagePullSecrets["+s.Name+"].name", s.Name))
			}
		}
		f.Message = fmt.Sprintf("pod %s names pull secret %s, and the kubelet cannot read it in namespace %s", p.About().Name, names, p.About().Namespace)
		f.Fixes = []diagnosis.Fix{{
			Title:   fmt.Sprintf("Create pull secret %s in namespace %s, or correct its name", names, p.About().Namespace),
			Command: fmt.Sprintf("kubectl get secrets -n %s --field-selector type=kubernetes.io/dockerconfigjson", p.About().Namespace),
		}}
		p.Report(f)
	},
}

var pullSecretWords = regex.New(`image pull secrets \((.+?)\);`)
