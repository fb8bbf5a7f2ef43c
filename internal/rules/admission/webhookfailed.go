// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// WebhookFailed recognises pods that cannot be created because an admission webhook does not answer.
var WebhookFailed = &diagnosis.Rule{
	ID:    "ADM008",
	Title: "An admission webhook cannot be called",
	Doc: `
The API server has to ask a webhook about every new pod, gets no answer, and may not go on without one (failurePolicy Fail). The
webhook's own pods are down, its Service is gone, the network keeps the control plane from it, or its certificate is not good.
Everything that the webhook is registered for is refused the same way, often in the whole cluster; and if the webhook's own pods
are among it, it cannot come back by itself.

**How it is told from its look-alikes.** The refusal says "failed calling webhook" and how the call failed. A webhook that
answered and said no is quoted with "denied the request" (ADM009). With failurePolicy Ignore a call that fails refuses nothing.

**What to do.** Repair what is behind the webhook's Service: no endpoints means that no pod of it is ready; x509 that the caBundle
or the certificate is old; a time-out, often, a firewall between control plane and nodes. If the program was removed and its
configuration stayed, delete that. To let pods in meanwhile, set failurePolicy to Ignore.

The words are written in kubernetes apiserver pkg/util/webhook/error.go and pkg/admission/plugin/webhook; recorded from
Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Also:   evidence.Status | evidence.Events,
	Effect: diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{
		diagnosis.NodeLost, diagnosis.NetworkFailed, diagnosis.NameUnresolved, diagnosis.CertExpired, diagnosis.DependencyDown, diagnosis.NotScheduled,
		diagnosis.ImageUnavailable, diagnosis.OutOfMemory, diagnosis.ProcessFailed, diagnosis.NotReady, diagnosis.Unavailable, diagnosis.ConfigChanged,
	},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != webhookFailed {
			return
		}
		m := callFailed.FindStringSubmatch(r.said)
		service, namespace := "", ""
		if u := serviceURL.FindStringSubmatch(m[2]); u != nil {
			service, namespace = u[1], u[2]
		}
		message := fmt.Sprintf("admission webhook %s cannot be called: %s", m[1], howFailed(m[2], service, namespace))
		fixes := []diagnosis.Fix{{
			Title:   "Find the configuration of the webhook; delete it if its program was removed, or set failurePolicy to Ignore to let pods in meanwhile",
			Command: "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
		}}
		if service != "" {
			fixes = append([]diagnosis.Fix{{
				Title: fmt.Sprintf("Repair what is behind Service %s in namespace %s", service, namespace), Command: "kubectl get service,endpointslices,pods -n " + namespace,
			}}, fixes...)
		}
		f := diagnosis.Finding{
			About: r.about, Confidence: r.sure, Message: r.cannot() + message, Facts: r.facts, Fixes: fixes, Through: behind(p, namespace, service),
		}
		if len(f.Through) > 0 { // it goes on: what is wrong behind the webhook may be as new as a restart just now
			f.At = p.Now().Add(settling)
		}
		p.Report(f)
	},
}

var (
	callFailed = regex.New(`(?s)failed (?:calling|to call) (?:admission )?webhook "([^"]+)": (.+)`)
	serviceURL = regex.New(`https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc\b`)
)

// settling is by how much what is about a workload counts as older than what is about a run.
const settling = 2 * time.Second

// failures are how a call fails, by what net/http, crypto/x509 and the API server's proxy say, and what that means.
var failures = []struct{ said, means string }{
	{"no endpoints available", "its Service %s has no pod that is ready"},
	{"not found", "its Service %s does not exist"},
	{"certificate has expired", "the certificate of its Service %s has expired or is not yet valid"},
	{"x509: ", "the certificate of its Service %s is not one that the caBundle of the webhook's configuration vouches for"},
	{"connection refused", "nothing listens behind its Service %s"},
	{"no route to host", "there is no way to its Service %s"},
	{"no such host", "its Service %s cannot be resolved"},
	{"context deadline exceeded", "its Service %s did not answer in time"},
	{"Client.Timeout exceeded", "its Service %s did not answer in time"},
	{"i/o timeout", "its Service %s did not answer in time"},
	{"could not find the requested resource", "its Service %s does not know the path that is asked for"},
}

func howFailed(said, service, namespace string) string {
	name := ""
	if service != "" {
		name = service + " in namespace " + namespace
	}
	for _, f := range failures {
		if strings.Contains(said, f.said) {
			return strings.ReplaceAll(fmt.Sprintf(f.means, name), "  ", " ")
		}
	}
	return strings.Join(strings.Fields(said), " ")
}

// behind returns the pods of the Service that are known: their trouble reaches this workload through the webhook.
func behind(p *diagnosis.Pass, namespace, name string) []evidence.Ref {
	s, ok := diagnosis.Get[*corev1.Service](p, namespace, name)
	if !ok || len(s.Spec.Selector) == 0 {
		return nil
	}
	refs := []evidence.Ref{evidence.RefOf(s)}
	for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Namespace", "", namespace)) {
		if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			refs = append(refs, evidence.RefOf(pod))
		}
	}
	return refs
}
