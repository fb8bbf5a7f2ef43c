// SPDX-License-Identifier: Apache-2.0

package set

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoPort recognises a Service with the wrong port.
var NoPort = &diagnosis.Rule{
	ID:    "SET102",
	Title: "Service leads to a port that its pods do not have",
	Doc: `
The Service's targetPort is a name that no container of its pods has, or a number that none declares while they declare others. Requests are refused, or have no endpoint at
all.

**How it is told from its look-alikes.** Ports need not be declared, so a number counts only where the containers declare some of the same protocol. Headless Services
lead to the pods themselves, and are left out but for names.

**What to do.** Set targetPort to the name of the container's port, so that both change together.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.DependencyDown,
	Run: func(p *diagnosis.Pass) {
		x := indexOf(p)
		for _, s := range diagnosis.List[*corev1.Service](p) {
			if len(s.Spec.Selector) == 0 {
				continue
			}
			behind := x.matching(s.Namespace, labels.SelectorFromSet(s.Spec.Selector))
			for i, port := range s.Spec.Ports {
				target := port.TargetPort
				if target == (intstr.IntOrString{}) {
					target = intstr.FromInt32(port.Port)
				}
				if len(behind) == 0 || open(behind, target) || target.Type == intstr.Int && s.Spec.ClusterIP == corev1.ClusterIPNone {
					continue
				}
				p.Report(finding(s, fmt.Sprintf("spec.ports[%d].targetPort", i), "targetPort "+target.String(), fmt.Sprintf("Set targetPort of Service %s to a port that its pods have", s.Name),
					"Service %s leads to port %s of its pods, and none of their containers has that", s.Name, target.String()))
			}
		}
	},
}

// open tells whether some pod may listen on the port: it declares it, or declares none.
func open(pods []*corev1.Pod, port intstr.IntOrString) bool {
	for _, pod := range pods {
		declared := 0
		for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			for _, d := range c.Ports {
				if declared++; port.Type == intstr.Int && d.ContainerPort == port.IntVal || port.Type == intstr.String && d.Name == port.StrVal {
					return true
				}
			}
		}
		if declared == 0 && port.Type == intstr.Int {
			return true
		}
	}
	return false
}
