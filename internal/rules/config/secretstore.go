// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SecretStore recognises a pod whose secrets a CSI secret store cannot mount.
var SecretStore = &diagnosis.Rule{
	ID:    "CFG011",
	Title: "Secret store does not deliver",
	Doc: `
A volume of the pod takes its content from an outside store (Vault, a cloud's secret manager) through the secrets store
CSI driver, and the driver cannot mount it: the SecretProviderClass does not exist in the namespace, the store refuses
the pod's identity, or it has no object of that name. The whole pod waits in ContainerCreating.

**How it is told from its look-alikes.** By "secrets store objects" or SecretProviderClass in the newest FailedMount
Event while the pod has no sandbox. A Secret of the cluster that is missing says "secret ... not found": where an
operator (External Secrets, Sealed Secrets) makes it, look at that operator. A driver that is not on the node says so
("not found in the list of registered CSI drivers").

**What to do.** Read the end of the message, which is the provider's: create or correct the SecretProviderClass, give
the service account the right to read, or correct the object's name.

The words are those of kubernetes-sigs/secrets-store-csi-driver pkg/secrets-store/nodeserver.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Status | evidence.Events,
	Effect: diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{
		diagnosis.DependencyDown, diagnosis.CertExpired, diagnosis.NetworkFailed, diagnosis.NameUnresolved,
		diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		e := mountFailed(p)
		lower := strings.ToLower(e.Message)
		if !strings.Contains(lower, "secrets store objects") && !strings.Contains(lower, "secretproviderclass") {
			return
		}
		why := e.Message
		for _, cut := range []string{"err: ", "error: ", "desc = "} {
			if i := strings.LastIndex(why, cut); i >= 0 {
				why = why[i+len(cut):]
				break
			}
		}
		p.Report(diagnosis.Finding{
			At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), unready(p)},
			Message: fmt.Sprintf("pod %s waits for volume %s from a secret store, which cannot be mounted: %s", p.About().Name, captured(mountWords, e.Message, "(unknown)"), strings.TrimSpace(why)),
			Fixes: []diagnosis.Fix{{
				Title:   "Compare the volume's secretProviderClass with those that are there, and what its provider answers",
				Command: fmt.Sprintf("kubectl get secretproviderclasses -n %s", p.About().Namespace),
			}},
		})
	},
}

// unready cites that the pod cannot start or is not ready, or, where it has no such condition, in which phase it is.
func unready(p *diagnosis.Pass) evidence.Fact {
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodReady} {
		if fact, ok := p.CitePodCondition(kind); ok {
			return fact
		}
	}
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.phase", Text: "phase " + string(p.PodStatus().Phase),
	}
}

// mountFailed returns the newest Event about a volume that cannot be mounted, while the pod waits for its volumes; the zero
// one otherwise.
func mountFailed(p *diagnosis.Pass) evidence.Event {
	events := unmounted(p)
	if len(events) == 0 || mounted(p.PodStatus()) || p.PodStatus().Phase != corev1.PodPending {
		return evidence.Event{}
	}
	return events[0]
}
