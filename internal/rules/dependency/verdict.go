// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// byCluster finds the class by the Service, its endpoints, its pods and the network policies.
func (c *call) byCluster(p *diagnosis.Pass) class {
	host, port := c.Host()
	_, known := c.Services(c.run.Of.Namespace)
	switch {
	case meshWaits(p, c):
		return mesh
	case port == "53", c.service != nil && c.Problem == signature.NoSuchHost:
		return namesUnanswered
	case c.Problem == signature.NoSuchHost && p.Absent(c.meant):
		return noSuchService
	case c.Problem == signature.NoSuchHost && known:
		return namesUnanswered
	case c.service == nil, c.service.Spec.Type == corev1.ServiceTypeExternalName, host == "localhost":
		return unreached
	}
	c.slices = endpointsOf(p, c.service)
	c.pods = selected(p, c.service)
	return c.byService(p, port)
}

func (c *call) byService(p *diagnosis.Pass, port string) class {
	direct := c.service.Spec.ClusterIP == corev1.ClusterIPNone // its name leads to the pods, whatever its ports are
	switch {
	case port != "" && !direct && !hasPort(c.service, port):
		return portMismatch
	case c.isEmpty(p):
		if near, _ := nearest(p, c.service); near != nil {
			return selectorMismatch
		}
		return noPods
	case (c.slices.known || len(c.pods) > 0) && !c.someReady(), c.crashing(p):
		return backendDown
	}
	if _, denies := denial(p, c, port); denies {
		return policyDenies
	}
	switch {
	case c.Problem == signature.Refused && !direct && wrongTarget(c.service, c.pods, port) != "":
		return portMismatch
	case (c.Problem == signature.TimeOut || c.Problem == signature.Unreachable) && c.someReady():
		return slow
	}
	return unreached
}

// isEmpty tells whether the Service selects pods and there are none.
func (c *call) isEmpty(p *diagnosis.Pass) bool {
	switch {
	case len(c.service.Spec.Selector) == 0 || len(c.pods) > 0:
		return false
	case c.slices.known:
		return c.slices.all == 0
	}
	return scaledDown(p, c.service)
}

// someReady tells whether the Service has a ready endpoint; where endpoints are not known, whether it has a ready pod.
func (c *call) someReady() bool {
	return c.slices.ready > 0 || !c.slices.known && anyReady(c.pods)
}

// crashing tells whether every pod behind the Service had ended shortly before the call failed or after it: ready for a
// moment now, and down at the next.
func (c *call) crashing(p *diagnosis.Pass) bool {
	since := p.Now()
	if c.run.Ended() {
		since = c.run.Finished
	}
	return len(c.pods) > 0 && !slices.ContainsFunc(c.pods, func(pod *corev1.Pod) bool {
		return !slices.ContainsFunc(p.AttemptsOf(evidence.RefOf(pod)), func(a evidence.Attempt) bool {
			return a.Ended() && a.Expected == "" && a.Finished.After(since.Add(-fresh)) && !a.Init
		})
	})
}

// find looks for the Service that the call means among what is known.
func (c *call) find(p *diagnosis.Pass) {
	host, _ := c.Host()
	if c.IsAddress() {
		for _, s := range diagnosis.List[*corev1.Service](p) {
			if s.Spec.ClusterIP == host || slices.Contains(s.Spec.ClusterIPs, host) {
				c.service, c.meant = s, evidence.RefOf(s)
			}
		}
		return
	}
	names, _ := c.Services(c.run.Of.Namespace)
	for _, name := range names {
		ref := evidence.RefTo("Service", name.Namespace, name.Name)
		if s, ok := diagnosis.Get[*corev1.Service](p, name.Namespace, name.Name); ok {
			c.service, c.meant = s, ref
			return
		}
		if c.meant.Kind == "" && p.Absent(ref) {
			c.meant = ref
		}
	}
}
