// SPDX-License-Identifier: Apache-2.0

package set

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NothingToMeasure recognises an autoscaler that cannot work out a share.
var NothingToMeasure = &diagnosis.Rule{
	ID:    "SET109",
	Title: "Autoscaler needs requests that are not set",
	Doc: `
The autoscaler scales on the share of a request that is used, and a container of its target requests nothing of that. It cannot work out a share, and scales nothing at all
("missing request for cpu").

**How it is told from its look-alikes.** The metric is a resource with a target of utilization. A limit alone makes a request of the same size. With a metric of one
container only that one counts.

**What to do.** Set the request of each container, sidecars too, or use a ContainerResource metric.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		x := indexOf(p)
		for _, h := range diagnosis.List[*autoscalingv2.HorizontalPodAutoscaler](p) {
			for _, m := range h.Spec.Metrics {
				if m.Resource == nil || m.Resource.Target.AverageUtilization == nil {
					continue
				}
				for _, pod := range x.of[targetOf(h)] {
					unmeasured(p, h, pod, m.Resource.Name)
				}
			}
		}
	},
}

// unmeasured reports the containers of a pod without a request of the resource.
func unmeasured(p *diagnosis.Pass, h *autoscalingv2.HorizontalPodAutoscaler, pod *corev1.Pod, resource corev1.ResourceName) {
	for _, c := range pod.Spec.Containers {
		if request := c.Resources.Requests[resource]; request.IsZero() {
			p.Report(finding(pod, "spec.containers["+c.Name+"].resources", "no request of "+string(resource), fmt.Sprintf("Set the %s request of container %s", resource, c.Name),
				"HorizontalPodAutoscaler %s scales on %s, and container %s of %s requests none: it cannot scale", h.Name, resource, c.Name, owner(pod)))
		}
	}
}
