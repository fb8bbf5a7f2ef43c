// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// using are the pods whose use is read: those in question, and where what is well is asked about, too, all that run.
func (v *visit) using(pods []*corev1.Pod) []*corev1.Pod {
	if !v.api.whole {
		return pods
	}
	all := slices.Clone(pods)
	for _, o := range v.s.Objects {
		if pod, ok := o.(*corev1.Pod); ok && pod.Status.Phase == corev1.PodRunning && !slices.Contains(all, pod) {
			all = append(all, pod)
		}
	}
	return all
}

// commands are facts about what the runs of containers are and are told, where it is asked what they need.
func (v *visit) commands(runs map[evidence.Ref]*record.Run) (facts []evidence.Fact) {
	if !v.api.whole {
		return nil
	}
	for of, run := range runs {
		for name, words := range map[string][]string{"command": run.Command, "settings": run.Settings} {
			if len(words) > 0 {
				facts = append(facts, evidence.Fact{
					Kind: evidence.Host, Source: evidence.FromRuntime, About: of, At: run.Started.UTC(), Where: evidence.FromRuntime.String(), Name: name, Text: flatten(strings.Join(words, " ")),
				})
			}
		}
	}
	slices.SortFunc(facts, func(a, b evidence.Fact) int { return cmp.Or(a.About.Compare(b.About), cmp.Compare(a.Name, b.Name)) })
	return facts
}

// Measure reads for that long what pods of these namespaces use, each time that the metrics API has measured anew, which metrics-server does every
// 15 s. An API that does not answer ends it: what was read until then counts.
func (c Cluster) Measure(ctx context.Context, namespaces []string, lasts time.Duration) ([]*metricsv1.PodMetrics, error) {
	api, err := c.open(c.limits)
	if err != nil {
		return nil, err
	}
	defer api.close()
	if c.Progress != nil {
		c.Progress("measuring for " + lasts.String() + " by the metrics API (--sample)")
	}
	if len(namespaces) > fewNamespaces {
		namespaces = []string{""}
	}
	var all []*metricsv1.PodMetrics
	last := map[evidence.Ref]time.Time{}
	for range lasts / api.limits.again {
		select {
		case <-ctx.Done():
			return all, ctx.Err()
		case <-time.After(api.limits.again):
		}
		for _, namespace := range namespaces {
			list, _, err := api.list(ctx, query{kind: "PodMetrics", namespace: namespace}, nil)
			if err != nil {
				return all, ctx.Err()
			}
			for _, o := range list {
				m, of := o.(*metricsv1.PodMetrics), evidence.RefOf(o)
				if m.Timestamp.After(last[of]) {
					last[of], all = m.Timestamp.Time, append(all, m)
				}
			}
		}
	}
	return all, nil
}
