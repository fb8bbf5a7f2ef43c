// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// usedBy returns what the pass's container uses now of a resource, cpu or memory, as the fact that says so: that of the
// metrics API, or where that is not served the kubelet's.
func usedBy(p *diagnosis.Pass, what corev1.ResourceName) (evidence.Fact, bool) {
	m, _ := diagnosis.Get[*metricsv1.PodMetrics](p, p.About().Namespace, p.About().Name)
	for i := 0; m != nil && i < len(m.Containers); i++ {
		if m.Containers[i].Name == p.About().Container {
			return cite(evidence.RefOf(m), m.Timestamp.Time, "containers["+p.About().Container+"].usage.", what, m.Containers[i].Usage), true
		}
	}
	return byKubelet(p, what)
}

// byKubelet returns what the kubelet says that the pass's thing uses.
func byKubelet(p *diagnosis.Pass, what corev1.ResourceName) (evidence.Fact, bool) {
	for _, f := range p.Facts(evidence.Usage, "usage."+string(what)) {
		if about(p, f) {
			return f, true
		}
	}
	return evidence.Fact{}, false
}

// cite makes a fact of what the metrics API says of a resource.
func cite(about evidence.Ref, at time.Time, where string, what corev1.ResourceName, used corev1.ResourceList) evidence.Fact {
	q := used[what]
	return evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: about, At: at, Where: where + string(what),
		Text: string(what) + " " + q.String(), Name: string(what), Value: q.AsApproximateFloat64(),
	}
}
