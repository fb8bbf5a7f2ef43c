// SPDX-License-Identifier: Apache-2.0

package set

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BackendAbsent recognises an Ingress that leads nowhere.
var BackendAbsent = &diagnosis.Rule{
	ID:    "SET115",
	Title: "Ingress leads to a Service or port that there is not",
	Doc: `
A path of the Ingress leads to a Service that none of the manifests has, or to a port that the Service does not have. Requests are answered with 502 or 503.

**How it is told from its look-alikes.** The manifests have Services in the namespace. Backends that are other resources are not judged.

**What to do.** Correct the name of the Service, or its port.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.DependencyDown,
	Run: func(p *diagnosis.Pass) {
		some := servicesIn(p)
		for _, in := range diagnosis.List[*networkingv1.Ingress](p) {
			for i, r := range in.Spec.Rules {
				if r.HTTP == nil {
					continue
				}
				for j, path := range r.HTTP.Paths {
					if why := leads(p, some, in.Namespace, path.Backend.Service); why != "" {
						p.Report(finding(in, fmt.Sprintf("spec.rules[%d].http.paths[%d].backend.service", i, j), path.Backend.Service.Name, "Correct the Service or its port",
							"path %s of Ingress %s leads to %s", path.Path, in.Name, why))
					}
				}
			}
		}
	},
}

// leads says what is wrong with a backend, or "".
func leads(p *diagnosis.Pass, some map[string]bool, namespace string, b *networkingv1.IngressServiceBackend) string {
	if b == nil || !some[namespace] {
		return ""
	}
	s, ok := diagnosis.Get[*corev1.Service](p, namespace, b.Name)
	if !ok {
		return fmt.Sprintf("Service %s, which is not among these manifests", b.Name)
	}
	for _, port := range s.Spec.Ports {
		if b.Port.Name != "" && port.Name == b.Port.Name || b.Port.Name == "" && port.Port == b.Port.Number {
			return ""
		}
	}
	if b.Port.Name != "" {
		return fmt.Sprintf("port %s of Service %s, which does not have it", b.Port.Name, b.Name)
	}
	return fmt.Sprintf("port %d of Service %s, which does not have it", b.Port.Number, b.Name)
}
