// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Survey reads how all nodes of the cluster are: their state, what is used of them, and which have no agent that could be asked. It takes
// three lists, whatever happened. What cannot be read is a gap.
func (c Cluster) Survey(ctx context.Context) (*evidence.Snapshot, error) {
	api, err := c.open(c.limits)
	if err != nil {
		return nil, err
	}
	defer api.close()
	now := c.Now
	if now == nil {
		now = time.Now
	}
	v := &visit{api: api}
	v.s.Taken = now().UTC().Truncate(time.Second)
	visiting, cancel := context.WithTimeout(ctx, api.limits.visit)
	defer cancel()
	var nodes, figures, agents []evidence.Object
	var group sync.WaitGroup
	group.Go(func() { nodes, _ = v.surveyed(visiting, query{kind: "Node"}) })
	known, heard := false, false
	group.Go(func() { figures, known = v.surveyed(visiting, query{kind: "NodeMetrics"}) })
	group.Go(func() {
		agents, heard = v.surveyed(visiting, query{kind: "Pod", namespace: agentNamespace, labels: agentLabel})
	})
	group.Wait()
	v.add(nodes...)
	v.add(figures...)
	if known {
		v.unmeasured(nodes, figures)
	}
	if heard && len(nodes) > 0 {
		v.unheard(nodes, agents)
	}
	return v.s.Freeze(), ctx.Err()
}

// surveyed lists what a survey is of, and tells whether that could be read.
func (v *visit) surveyed(ctx context.Context, q query) ([]evidence.Object, bool) {
	found, _, err := v.api.list(ctx, q, nil)
	if err == nil {
		v.has(q.kind)
		return found, true
	}
	why := v.api.why(ctx, err, "list", q.kind, q.namespace)
	if q.kind == "Pod" {
		v.gap(evidence.Host, evidence.Cluster, "no node agent is known of: "+why)
		return nil, false
	}
	v.gap(resources[q.kind].kind, evidence.Cluster, why)
	return found, false
}

// unmeasured notes of which nodes the metrics API has no figures.
func (v *visit) unmeasured(nodes, figures []evidence.Object) {
	has := map[string]bool{}
	for _, f := range figures {
		has[f.GetName()] = true
	}
	for _, n := range nodes {
		if !has[n.GetName()] {
			v.gap(evidence.Usage, evidence.RefTo("Node", "", n.GetName()), "metrics.k8s.io has no figures of it")
		}
	}
}

// unheard notes on which nodes no agent could be asked.
func (v *visit) unheard(nodes, agents []evidence.Object) {
	on := map[string]*agent{}
	for _, n := range nodes {
		on[n.GetName()] = &agent{node: n.GetName()}
	}
	for _, o := range agents {
		if pod := o.(*corev1.Pod); on[pod.Spec.NodeName] != nil {
			on[pod.Spec.NodeName].offer(pod)
		}
	}
	for _, a := range v.agentsOn(on) {
		if !isReady(a.pod) {
			v.gap(evidence.Host, evidence.RefTo("Node", "", a.node), "its agent is not ready")
		}
	}
}
