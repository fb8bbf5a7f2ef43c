// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

const (
	// surveyIn is how long a page waits for how all nodes are. What comes later is on the next one.
	surveyIn = time.Second
	// surveyAge is for how long what came last is how they are, where nothing else comes.
	surveyAge = time.Minute
)

// survey is how all nodes of the cluster are, as of the last seconds where pages are looked at, for who may see nodes; nil where there is no
// cluster, or it has not answered yet.
func (c *Console) survey(ctx context.Context, may Rights) *evidence.Snapshot {
	if c.Survey == nil || !may.All && !may.Nodes {
		return nil
	}
	brief, cancel := context.WithTimeout(ctx, surveyIn)
	defer cancel()
	s, err := c.surveys.get(brief, c.Now, "", c.Survey)
	if err == nil {
		return s
	}
	if s = c.surveys.last(""); s == nil || c.Now().Sub(s.Taken) < surveyAge {
		return s
	}
	old := &evidence.Snapshot{Taken: s.Taken, Gaps: []evidence.Gap{{Kind: evidence.Node, Why: "the cluster has not told how its nodes are since " + clock(s.Taken)}}}
	old.Freeze()
	return old
}

// hidden is what the survey could not see.
func (c *Console) hidden(ctx context.Context, all []Gap, at map[string]int, may Rights) []Gap {
	s := c.survey(ctx, may)
	if s == nil {
		return all
	}
	for _, g := range s.Gaps {
		all = addGap(all, at, report.Gap{Kind: g.Kind.String(), About: thingOf(g.About), Why: g.Why})
	}
	return all
}

// metricsAPI is where the facts of it are from.
const metricsAPI = "metrics.k8s.io"

// highUse is the part of what pods may have of a node, in percent, from which on a node counts as full: the scheduler goes by requests, and
// near the end the kubelet evicts.
const highUse = 90

// measured are what the metrics API says of a node, as facts.
func measured(s *evidence.Snapshot, node *corev1.Node) []report.Fact {
	m, ok := evidence.Get[*metricsv1.NodeMetrics](s, "", node.Name)
	if !ok {
		return nil
	}
	var all []report.Fact
	for _, kind := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		has, used := node.Status.Allocatable[kind], m.Usage[kind]
		if has.IsZero() || used.IsZero() {
			continue
		}
		part := 100 * used.AsApproximateFloat64() / has.AsApproximateFloat64()
		text := fmt.Sprintf("%s: %.0f%% of what pods may have", kind, part)
		if part >= highUse {
			text += fmt.Sprintf(", beyond its mark of %d", highUse)
		}
		all = append(all, report.Fact{Source: evidence.FromMetric.String(), At: m.Timestamp.UTC(), Where: metricsAPI, Text: text, About: thingOf(evidence.RefOf(node))})
	}
	return all
}

// Use is how much of a node is used, as far as the metrics API says.
func (n *Node) Use() string {
	var all []string
	for _, f := range n.Saturation {
		if used, _, ok := strings.Cut(f.Text, " of what pods may have"); ok && f.Where == metricsAPI {
			all = append(all, used)
		}
	}
	return strings.Join(all, ", ")
}

// surveyed adds the nodes of the cluster to those that incidents touch.
func surveyed(rows map[string]*NodeRow, s *evidence.Snapshot) {
	for _, n := range evidence.List[*corev1.Node](s) {
		if rows[n.Name] == nil {
			rows[n.Name] = &NodeRow{Name: n.Name}
		}
		rows[n.Name].State = nodeIn(s, n.Name)
	}
}

// troubled counts what is not as it should be with a node.
func (row *NodeRow) troubled() int {
	if row.State == nil {
		return 0
	}
	n := len(row.State.Troubles())
	if row.State.Ready != string(corev1.ConditionTrue) {
		n++
	}
	return n
}

// remember adds what was measured on a node lately to how it is.
func (n *Node) remember(last *Node) {
	if last == nil || n.Taken.Sub(last.Taken) > lately {
		return
	}
	for _, f := range last.Saturation {
		if !slices.ContainsFunc(n.Saturation, func(known report.Fact) bool { return known.Text == f.Text }) {
			n.Saturation = append(n.Saturation, f)
		}
	}
}
