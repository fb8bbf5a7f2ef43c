// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/report"
)

// A ControlPage is how the control plane is, and what it caused.
type ControlPage struct {
	Taken     time.Time     `json:"taken,omitzero"` // absent: nobody looked at it
	Latencies []Latency     `json:"latencies"`
	Leases    []Lease       `json:"leases"`
	Measured  []report.Fact `json:"measured"` // what else was measured
	Causes    []Cause       `json:"causes"`
	Gaps      []string      `json:"gaps"`
	Incidents []Incident    `json:"incidents"` // of the control plane
	Why       string        `json:"why,omitempty"`
}

// A Latency is a time of answer beside its marks.
type Latency struct {
	What     string  `json:"what"`
	Mean     float64 `json:"mean"` // milliseconds
	Normal   float64 `json:"normal"`
	Abnormal float64 `json:"abnormal"`
	Text     string  `json:"text"`
	Verdict  string  `json:"verdict" jsonschema:"enum=normal,enum=slow,enum=abnormal"`
}

// Scale is the end of its meter.
func (l Latency) Scale() float64 { return max(2*l.Abnormal, l.Mean) }

// A Lease is who leads, and until when.
type Lease struct {
	Name        string    `json:"name"`
	Holder      string    `json:"holder"`
	Renewed     time.Time `json:"renewed,omitzero"`
	Duration    int       `json:"duration"`    // seconds
	Transitions int       `json:"transitions"` // how often it changed hands
	Late        bool      `json:"late"`
}

func (c *Console) control(ctx context.Context, _ *http.Request, may Rights) (any, error) {
	page := ControlPage{Latencies: []Latency{}, Leases: []Lease{}, Measured: []report.Fact{}, Causes: []Cause{}, Gaps: []string{}, Incidents: []Incident{}}
	if !may.All {
		page.Why = "the control plane is shown to who may see every namespace"
		return page, nil
	}
	ours, err := c.ofControl(ctx)
	if err != nil {
		return nil, err
	}
	page.Incidents = each(ours[:min(len(ours), mostRecent)], incidentOf)
	switch s, err := c.lookAtControl(ctx, ours); {
	case err != nil:
		page.Why = "the control plane could not be looked at: " + err.Error()
	case s == nil:
		page.Why = "nobody has looked at the control plane: recorded incidents have none of it, and no cluster is watched"
	default:
		page.fill(s, diagnosis.Examine(s, c.Rules))
	}
	return page, nil
}

// ofControl are the incidents of the last week that are of the control plane, the latest first. Each rule is asked for by itself: where the
// control plane is in trouble, there are thousands of others.
func (c *Console) ofControl(ctx context.Context) ([]history.Incident, error) {
	var all []history.Incident
	for _, rule := range c.Rules {
		if letters(rule.ID) != "CTL" {
			continue
		}
		found, err := c.own().Incidents(ctx, history.Filter{Rule: rule.ID, From: c.Now().Add(-7 * day), Limit: mostRecent})
		if err != nil {
			return nil, err
		}
		all = append(all, found.Items...)
	}
	slices.SortStableFunc(all, func(a, b history.Incident) int { return b.Last.Compare(a.Last) })
	return all, nil
}

// lookAtControl looks now, or where no cluster is watched at what was captured last; nil where nobody looked.
func (c *Console) lookAtControl(ctx context.Context, ours []history.Incident) (*evidence.Snapshot, error) {
	if c.Look != nil {
		return c.look(ctx, collect.ControlPlane)
	}
	for _, in := range ours[:min(len(ours), mostAsked)] {
		deaths, err := c.own().Deaths(ctx, history.Filter{Incident: in.ID, Limit: 1})
		if err != nil || len(deaths.Items) == 0 {
			return nil, err
		}
		k, err := c.keptOf(ctx, deaths.Items[0].ID, Rights{All: true})
		if err != nil || k.snapshot.Has&evidence.Control != 0 {
			return k.snapshot, err
		}
	}
	return nil, nil
}

// marked finds in the words of a measurement what is normal and what is not.
var marked = regex.New(`^(.*?) took .*; below (\d+) ms is normal, above (\d+) ms is not`)

func (p *ControlPage) fill(s *evidence.Snapshot, told *diagnosis.Report) {
	p.Taken = s.Taken
	for i := range s.Facts {
		f := &s.Facts[i]
		if f.Kind != evidence.Control || strings.HasSuffix(f.Name, "-p99") {
			continue
		}
		if m := marked.FindStringSubmatch(f.Text); m != nil {
			p.Latencies = append(p.Latencies, latencyOf(f, m))
			continue
		}
		p.Measured = append(p.Measured, report.Fact{Source: f.Source.String(), At: f.At, Where: f.Where, Text: f.Text})
	}
	for _, lease := range evidence.List[*coordinationv1.Lease](s) {
		if lease.Namespace == "kube-system" {
			p.Leases = append(p.Leases, leaseOf(lease, s.Taken))
		}
	}
	slices.SortFunc(p.Leases, func(a, b Lease) int { return cmp.Compare(a.Name, b.Name) })
	for _, cause := range report.New(told).Causes {
		p.Causes = append(p.Causes, causeOf(s, cause))
	}
	for _, g := range s.Gaps {
		p.Gaps = append(p.Gaps, g.Kind.String()+": "+g.Why)
	}
}

func latencyOf(f *evidence.Fact, m []string) Latency {
	l := Latency{What: m[1], Mean: f.Value * 1000, Text: f.Text, Verdict: "normal"}
	l.Normal, _ = strconv.ParseFloat(m[2], 64) // digits
	l.Abnormal, _ = strconv.ParseFloat(m[3], 64)
	switch {
	case l.Mean > l.Abnormal:
		l.Verdict = "abnormal"
	case l.Mean > l.Normal:
		l.Verdict = "slow"
	}
	return l
}

func leaseOf(lease *coordinationv1.Lease, now time.Time) Lease {
	l := Lease{Name: lease.Name}
	if h := lease.Spec.HolderIdentity; h != nil {
		l.Holder = *h
	}
	if d := lease.Spec.LeaseDurationSeconds; d != nil {
		l.Duration = int(*d)
	}
	if n := lease.Spec.LeaseTransitions; n != nil {
		l.Transitions = int(*n)
	}
	if at := lease.Spec.RenewTime; at != nil {
		l.Renewed = at.UTC()
		l.Late = now.Sub(l.Renewed) > time.Duration(l.Duration)*time.Second
	}
	return l
}

const (
	looks     = 64               // things that a look at is remembered of
	lookAgain = 30 * time.Second // for as long
	lookFor   = 10 * time.Second // at most
)

// A glance remembers what the cluster was asked for a page, so that many readers cost it one question.
type glance struct {
	mu   sync.Mutex
	seen map[evidence.Ref]*seen
}

type seen struct {
	mu       sync.Mutex
	at       time.Time
	snapshot *evidence.Snapshot
	err      error
}

// look asks the cluster about a thing, at most once in a while, whoever asks.
func (c *Console) look(ctx context.Context, at evidence.Ref) (*evidence.Snapshot, error) {
	c.glance.mu.Lock()
	if c.glance.seen == nil || len(c.glance.seen) >= looks {
		c.glance.seen = map[evidence.Ref]*seen{}
	}
	s := c.glance.seen[at]
	if s == nil {
		s = &seen{}
		c.glance.seen[at] = s
	}
	c.glance.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || c.Now().Sub(s.at) > lookAgain {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor) // others wait for the same
		defer cancel()
		s.snapshot, s.err = c.Look.Snapshot(ctx, evidence.Selection{Ref: at})
		s.at = c.Now()
	}
	if s.err != nil {
		return nil, fmt.Errorf("look at %s: %w", at, s.err)
	}
	return s.snapshot, nil
}
