// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// usedBy returns what the pass's container uses now, or nil.
func usedBy(p *diagnosis.Pass) *metricsv1.ContainerMetrics {
	m, ok := diagnosis.Get[*metricsv1.PodMetrics](p, p.About().Namespace, p.About().Name)
	if !ok {
		return nil
	}
	for i := range m.Containers {
		if m.Containers[i].Name == p.About().Container {
			return &m.Containers[i]
		}
	}
	return nil
}

// citeUsage makes a fact of what the container uses.
func citeUsage(p *diagnosis.Pass, what string, uses *resource.Quantity) evidence.Fact {
	m, _ := diagnosis.Get[*metricsv1.PodMetrics](p, p.About().Namespace, p.About().Name)
	return evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: evidence.RefOf(m), At: m.Timestamp.Time,
		Where: "containers[" + p.About().Container + "].usage." + what,
		Text:  what + " " + uses.String(), Name: what, Value: uses.AsApproximateFloat64(),
	}
}
