// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// requested returns how much of a resource the scheduler looks for, and the fields that ask for it: that of the pod as a
// whole where there is one; else the larger of what all containers take together and of what the largest init container
// takes beside the sidecars before it; plus the overhead of the runtime class (kubernetes
// component-helpers/resource, PodRequests).
func requested(p *diagnosis.Pass, name corev1.ResourceName) (resource.Quantity, []evidence.Fact) {
	spec := p.PodSpec()
	var facts []evidence.Fact
	cite := func(path string, q resource.Quantity) {
		facts = append(facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(),
			Where: "spec." + path + "." + string(name), Text: string(name) + " " + q.String(),
		})
	}
	if spec.Resources != nil {
		if q, ok := spec.Resources.Requests[name]; ok {
			cite("resources.requests", q)
			q.Add(spec.Overhead[name])
			return q, facts
		}
	}
	var together, most resource.Quantity
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		q, ok := c.Resources.Requests[name]
		if ok {
			cite("initContainers["+c.Name+"].resources.requests", q)
		}
		need := together.DeepCopy()
		need.Add(q)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			together = need
		}
		most = larger(most, need)
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if q, ok := c.Resources.Requests[name]; ok {
			cite("containers["+c.Name+"].resources.requests", q)
			together.Add(q)
		}
	}
	most = larger(most, together)
	most.Add(spec.Overhead[name])
	return most, facts
}

func larger(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) > 0 {
		return a.DeepCopy()
	}
	return b.DeepCopy()
}
