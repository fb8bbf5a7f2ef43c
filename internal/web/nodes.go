// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// Nodes are those of the cluster, for who may see nodes, and those that incidents of the last day touch: in trouble first.
type Nodes struct {
	Bounds

	Nodes []NodeRow `json:"nodes"`
	Total int       `json:"total"`          // so many there are
	Whole bool      `json:"whole"`          // all of the cluster are among them
	Next  string    `json:"next,omitempty"` // the address of the page behind it
}

// A NodeRow is one node.
type NodeRow struct {
	Name      string    `json:"name"`
	Deaths    int       `json:"deaths"`    // in a day
	Incidents int       `json:"incidents"` // in a day
	Open      int       `json:"open"`
	Last      time.Time `json:"last,omitzero"`
	State     *Node     `json:"state,omitempty"` // as it was last looked at
}

// A Node is what is known of the state of a node.
type Node struct {
	Taken      time.Time     `json:"taken"` // when that was read
	Ready      string        `json:"ready" jsonschema:"enum=True,enum=False,enum=Unknown,enum="`
	Cordoned   bool          `json:"cordoned"`
	Kubelet    string        `json:"kubelet"`
	Runtime    string        `json:"runtime"`
	Kernel     string        `json:"kernel"`
	System     string        `json:"system"`
	Conditions []Condition   `json:"conditions"`
	Saturation []report.Fact `json:"saturation"` // the latest of each kind
	Health     []report.Fact `json:"health"`     // what kubelet, runtime and kernel told lately
	Gaps       []string      `json:"gaps"`
}

// A Condition is one of a node.
type Condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"`
	Bad     bool      `json:"bad"`
}

// A NodePage is one node with what happened on it.
type NodePage struct {
	Bounds

	Name      string     `json:"name"`
	State     *Node      `json:"state,omitempty"`
	Incidents []Incident `json:"incidents"`
	Deaths    []Death    `json:"deaths"`
}

const (
	day        = 24 * time.Hour
	mostNodes  = 100 // on a page
	mostStates = 20  // of which is read what was captured
	mostFacts  = 30
)

func (c *Console) nodes(ctx context.Context, r *http.Request, may Rights) (any, error) {
	page, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	found, err := c.own().Incidents(ctx, history.Filter{Namespaces: may.allowed(), From: c.Now().Add(-day), Limit: 1000})
	if err != nil {
		return nil, err
	}
	rows := map[string]*NodeRow{}
	for _, in := range found.Items {
		for _, name := range in.Nodes {
			if rows[name] == nil {
				rows[name] = &NodeRow{Name: name}
			}
			rows[name].see(in)
		}
	}
	nodes := Nodes{Bounds: may.bounds(), Nodes: []NodeRow{}}
	if s := c.survey(ctx, may); s != nil {
		surveyed(rows, s)
		nodes.Whole = s.Has&evidence.Node != 0
	}
	list := slices.SortedFunc(maps.Values(rows), func(a, b *NodeRow) int {
		return cmp.Or(cmp.Compare(b.Open, a.Open), cmp.Compare(b.troubled(), a.troubled()), cmp.Compare(b.Incidents, a.Incidents), cmp.Compare(a.Name, b.Name))
	})
	nodes.Total = len(list)
	list = list[min(len(list), (page-1)*mostNodes):]
	if len(list) > mostNodes {
		list, nodes.Next = list[:mostNodes], fmt.Sprintf("/nodes?page=%d", page+1)
	}
	for i, row := range list {
		if err := c.fill(ctx, row, i < mostStates, may); err != nil {
			return nil, err
		}
		nodes.Nodes = append(nodes.Nodes, *row)
	}
	return nodes, nil
}

// pageOf is which page is asked for.
func pageOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("page")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, &badRequestError{fmt.Sprintf("there is no page %q: expected a number from 1 on", text)}
	}
	return int(n), nil
}

// fill counts the deaths on a node, and reads what was captured of it.
func (c *Console) fill(ctx context.Context, row *NodeRow, captured bool, may Rights) error {
	n, err := c.own().Count(ctx, history.Filter{Node: row.Name, Namespaces: may.allowed(), From: c.Now().Add(-day)})
	if row.Deaths = n.Recorded + n.Missing; err != nil || !captured || row.Incidents == 0 {
		return err
	}
	last, err := c.lastSeen(ctx, row.Name, may)
	if row.State == nil {
		row.State = last
	} else {
		row.State.remember(last)
	}
	return err
}

func (row *NodeRow) see(in history.Incident) {
	row.Incidents++
	if in.State == history.StateOpen {
		row.Open++
	}
	if in.Last.After(row.Last) {
		row.Last = in.Last
	}
}

func (c *Console) node(ctx context.Context, r *http.Request, may Rights) (any, error) {
	page := NodePage{Bounds: may.bounds(), Name: r.PathValue("name")}
	found, err := c.own().Incidents(ctx, history.Filter{Node: page.Name, Namespaces: may.allowed(), Limit: mostRecent})
	if err != nil {
		return nil, err
	}
	deaths, err := c.own().Deaths(ctx, history.Filter{Node: page.Name, Namespaces: may.allowed(), Limit: mostRecent})
	if err != nil {
		return nil, err
	}
	page.Incidents, page.Deaths = each(found.Items, incidentOf), each(deaths.Items, deathOf)
	if page.State = c.lookAt(ctx, page.Name, may); page.State != nil {
		return page, nil
	}
	if s := c.survey(ctx, may); s != nil {
		page.State = nodeIn(s, page.Name)
	}
	last, err := c.lastSeen(ctx, page.Name, may)
	if page.State == nil {
		page.State = last
	} else {
		page.State.remember(last)
	}
	if err == nil && page.State == nil && len(page.Incidents)+len(page.Deaths) == 0 {
		return nil, errNotFound
	}
	return page, err
}

// lookAt asks the cluster about a node now, where there is one; nil where it does not tell.
func (c *Console) lookAt(ctx context.Context, name string, may Rights) *Node {
	if c.Look == nil || !may.All {
		return nil
	}
	s, err := c.look(ctx, evidence.RefTo("Node", "", name))
	if err != nil { // what was captured last tells
		return nil
	}
	return nodeIn(s, name)
}

// lastSeen is the state of a node as the latest death on it of which there is evidence has it, for who may see nodes.
func (c *Console) lastSeen(ctx context.Context, name string, may Rights) (*Node, error) {
	if !may.All && !may.Nodes {
		return nil, nil
	}
	deaths, err := c.own().Deaths(ctx, history.Filter{Node: name, Namespaces: may.allowed(), Limit: 5})
	if err != nil {
		return nil, err
	}
	for _, d := range deaths.Items {
		if !d.HasBundle {
			continue
		}
		k, err := c.keptOf(ctx, d.ID, may)
		if err != nil {
			return nil, err
		}
		if n := nodeIn(k.snapshot, name); n != nil {
			n, _ = k.veil.cover(n).(*Node) // it is one
			return n, nil
		}
	}
	return nil, nil
}

// nodeIn reads the state of a node from a snapshot, which need not have it.
func nodeIn(s *evidence.Snapshot, name string) *Node {
	ref := evidence.RefTo("Node", "", name)
	n := Node{Taken: s.Taken, Conditions: []Condition{}, Saturation: []report.Fact{}, Health: []report.Fact{}, Gaps: []string{}}
	object, known := evidence.Get[*corev1.Node](s, "", name)
	facts := s.FactsOn(ref, func(f *evidence.Fact) bool { return f.About.Kind == "Node" && f.About.Name == name })
	if !known && len(facts) == 0 {
		return nil
	}
	if known {
		info := &object.Status.NodeInfo
		n.Cordoned, n.Kubelet, n.Runtime, n.Kernel, n.System = object.Spec.Unschedulable, info.KubeletVersion, info.ContainerRuntimeVersion, info.KernelVersion, info.OSImage
		for _, condition := range object.Status.Conditions {
			n.Conditions = append(n.Conditions, conditionOf(&condition))
			if condition.Type == corev1.NodeReady {
				n.Ready = string(condition.Status)
			}
		}
		n.Saturation = measured(s, object)
	}
	n.sort(facts)
	for _, g := range s.Gaps {
		if g.About == evidence.Cluster || g.About == ref {
			n.Gaps = append(n.Gaps, g.Kind.String()+": "+g.Why)
		}
	}
	return &n
}

func conditionOf(c *corev1.NodeCondition) Condition {
	good := corev1.ConditionFalse
	if c.Type == corev1.NodeReady {
		good = corev1.ConditionTrue
	}
	return Condition{string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime.UTC(), c.Status != good}
}

// sort tells measurements, of which the latest of each name counts, from what happened.
func (n *Node) sort(facts []evidence.Fact) {
	seen := map[string]bool{}
	for _, f := range slices.Backward(facts) {
		shown := report.Fact{Source: f.Source.String(), At: f.At, Where: f.Where, Text: f.Text, About: thingOf(f.About)}
		switch {
		case f.Kind == evidence.Usage && !seen[measure(f)]:
			seen[measure(f)] = true
			n.Saturation = append(n.Saturation, shown)
		case f.Kind != evidence.Usage && len(n.Health) < mostFacts:
			n.Health = append(n.Health, shown)
		}
	}
	slices.SortStableFunc(n.Saturation, func(a, b report.Fact) int { return cmp.Compare(a.Text, b.Text) })
	n.Saturation = full(n.Saturation[:min(len(n.Saturation), mostFacts)])
}

// Troubles are what is not as it should be, in a word each.
func (n *Node) Troubles() []string {
	var all []string
	for _, c := range n.Conditions {
		if c.Bad && c.Type != string(corev1.NodeReady) {
			all = append(all, c.Type)
		}
	}
	for _, f := range n.Saturation {
		if strings.Contains(f.Text, "beyond its mark") {
			all = append(all, f.Text)
		}
	}
	return all[:min(len(all), 3)]
}

// measure names what a fact measures: "saturated.disk.space of nodefs" and "eased.disk.space of nodefs" are the same.
func measure(f evidence.Fact) string {
	name := strings.TrimPrefix(strings.TrimPrefix(f.Name, "saturated."), "eased.")
	of, _, _ := strings.Cut(f.Text, ":")
	return name + " " + of
}
