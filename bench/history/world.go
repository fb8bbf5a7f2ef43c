// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A world is a cluster of five thousand workloads in two hundred namespaces on five hundred nodes, each of which fails as
// one recording does, again and again for a year.
type world struct {
	templates []*template
	random    *rand.Rand
	start     time.Time
	span      time.Duration
	incidents int
	deaths    int
	bundles   bool
	logs      bool
	seeds     map[string]uint64 // of values that were hashed
}

const (
	apps       = 5000
	nodes      = 500
	namespaces = 200
	storms     = 100
	stormPods  = 1000 // each
)

func newWorld(all []*template, bundles, logs bool) *world {
	return &world{
		templates: all, random: rand.New(rand.NewPCG(1, 2)), start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), span: 365 * 24 * time.Hour,
		bundles: bundles, logs: logs, seeds: map[string]uint64{},
	}
}

func (w *world) template(app int) *template { return w.templates[app%len(w.templates)] }

func (w *world) namespace(app int) string { return fmt.Sprintf("team-%d", app%namespaces) }

func (w *world) node(i int) string { return fmt.Sprintf("node-%d.eu-central-1.compute.internal", i) }

func (w *world) app(app int) string {
	return fmt.Sprintf("%s-%05x", []string{"web", "api", "worker", "cache", "billing", "search", "mail", "auth"}[app/7%8], app*40503%(1<<20))
}

// one is a death with what its texts take from it.
type one struct {
	w        *world
	app, pod int
	node     int
	at       time.Time
	seeds    [4]uint64 // by scope
}

// some returns the deaths of so many incidents: the first of each, the second of each, and so on. Seven of ten incidents have
// one death, the others two to five.
func (w *world) some(n, incidents int) [][]history.Death {
	waves := make([][]history.Death, 5)
	for ; n > 0 && w.incidents < incidents; n-- {
		at := w.start.Add(time.Duration(float64(w.span) * float64(w.incidents) / float64(incidents)))
		app := w.incidents % apps
		deaths := 1
		if w.random.IntN(10) >= 7 && w.template(app).death.Kind == history.Died {
			deaths = 2 + w.random.IntN(4)
		}
		for i := range deaths {
			o := &one{w: w, app: app, pod: w.incidents, node: (app + w.incidents/apps) % nodes, at: at.Add(time.Duration(i) * time.Minute)}
			o.seeds = [4]uint64{uint64(w.deaths+i) + 1<<60, uint64(o.pod) + 2<<60, uint64(app) + 3<<60, uint64(o.node) + 4<<60}
			waves[i] = append(waves[i], o.death(i))
		}
		w.incidents++
		w.deaths += deaths
	}
	return waves
}

// storm returns the deaths of the pods of one workload, all at once by their node, of which hardly any is captured: an incident with so many
// pods names them outside of the index.
func (w *world) storm(n int) []history.Death {
	app := n % apps
	o := &one{w: w, app: app, pod: w.incidents, node: n % nodes, at: w.start.Add(w.span * time.Duration(n) / storms)}
	base := o.death(0)
	all := make([]history.Death, stormPods)
	for i := range all {
		d := base
		d.Of.Name, d.Kind = fmt.Sprintf("%s-7c9f4d-%05d", w.app(app), i), history.Died
		d.Of.Container, d.Of.Attempt, d.PodUID = "app", 0, fmt.Sprintf("%08x-0000-4000-a000-%012x", n, i)
		d.Verdict = &history.Verdict{
			Rule: "NOD001", Confidence: "likely", Message: "node " + w.node(o.node) + " stopped answering", Thing: evidence.RefTo("Node", "", w.node(o.node)), Settled: true,
		}
		all[i] = d
	}
	return all
}

func (o *one) death(n int) history.Death {
	t := o.w.template(o.app)
	d := t.death
	d.Cluster = "6f0a1c9e-2c59-4b8a-9d0f-1d2f8f6f7a11"
	d.PodUID = o.uid(ofPod, "the pod")
	d.Of.Namespace, d.Of.Name = o.w.namespace(o.app), o.podName(t)
	if d.Kind == history.Died {
		d.Of.Attempt += n
	}
	d.Workload.Namespace, d.Workload.Name = d.Of.Namespace, o.w.app(o.app)
	if d.Node != "" {
		d.Node = o.w.node(o.node)
	}
	d.Image = fmt.Sprintf("registry.example.com/%s/%s:1.%d", d.Of.Namespace, d.Workload.Name, o.app%30)
	ran := d.Finished.Sub(d.Started)
	if !d.Finished.IsZero() {
		d.Finished = o.at
	}
	if !d.Started.IsZero() {
		d.Started = o.at.Add(-ran)
	}
	d.Seen = o.at.Add(700 * time.Millisecond)
	d.ID, d.Incident, d.HasBundle = 0, "", false
	v := *t.death.Verdict
	v.Thing = o.thing(v.Thing, d)
	v.Message, v.Report = o.fill(t, t.message), []byte(o.fill(t, t.report))
	v.Bundle = map[string][]byte{}
	for _, f := range t.files {
		if o.w.bundles && (o.w.logs || !f.log) {
			v.Bundle[o.fill(t, f.name)] = []byte(o.fill(t, f.content))
		}
	}
	d.Verdict = &v
	return d
}

// thing is what the incident is of. That of a node would be one incident for all its time, and is of the workload here.
func (o *one) thing(was evidence.Ref, d history.Death) evidence.Ref {
	now := d.Workload
	now.Container = was.Container
	return now
}

// podName keeps what the pod's name has behind that of its workload, with five letters of its own where it has such.
func (o *one) podName(t *template) string {
	rest := strings.TrimPrefix(t.death.Of.Name, t.death.Workload.Name)
	if n := len(rest); n > 6 && rest[n-6] == '-' {
		rest = rest[:n-5] + o.letters(ofPod, "the name", 5)
	}
	return o.w.app(o.app) + rest
}

// fill makes a text of this death.
func (o *one) fill(t *template, text text) string {
	var b strings.Builder
	for _, p := range text {
		switch p.what {
		case same:
			b.WriteString(p.text)
		case moment:
			b.WriteString(o.moment(p))
		case uid:
			b.WriteString(o.uid(p.scope, p.text))
		case container:
			for i := range 4 {
				fmt.Fprintf(&b, "%016x", o.number(p.scope, p.text, i))
			}
		case suffix:
			n := o.number(p.scope, p.text, 0) % 1e11
			fmt.Fprintf(&b, ".%016x", o.at.UnixNano()-int64(n)) // a time, as Kubernetes names Events
		case version:
			fmt.Fprintf(&b, `resourceVersion: "%d"`, o.version(p))
		case address:
			n := o.number(p.scope, p.text, 0)
			fmt.Fprintf(&b, "10.%d.%d.%d", n%256, n>>8%256, n>>16%256)
		case podName:
			b.WriteString(o.podName(t))
		case appName:
			b.WriteString(o.w.app(o.app))
		case nodeName:
			b.WriteString(o.w.node(o.node))
		case namespaceName:
			b.WriteString(o.w.namespace(o.app))
		}
	}
	return b.String()
}

// moment moves a time with the death; in what lasts longer, it moves by months.
func (o *one) moment(p piece) string {
	at := o.at
	switch p.scope {
	case ofApp:
		at = o.w.start.Add(-time.Duration(o.seeds[ofApp]%1e6) * time.Second)
	case ofNode:
		at = at.Truncate(5 * time.Minute)
	case ofDeath, ofPod:
	}
	layout := "2006-01-02T15:04:05Z"
	if i := strings.IndexByte(p.text, '.'); i > 0 {
		layout = "2006-01-02T15:04:05." + strings.Repeat("0", len(p.text)-i-2) + "Z"
		at = at.Add(time.Duration(o.number(ofDeath, p.text, 0) % 1e9))
	}
	return at.Add(p.after).Format(layout)
}

// version counts what a cluster has written: a hundred thousand times a day, and in one recording nearly as it was there.
func (o *one) version(p piece) uint64 {
	if p.scope >= ofApp {
		return 1e8 + o.number(p.scope, p.text, 0)%1e8
	}
	return 2e8 + uint64(o.at.Sub(o.w.start)/(864*time.Millisecond)) + o.number(ofDeath, p.text, 0)%1000
}

func (o *one) uid(scope scope, was string) string {
	a, b := o.number(scope, was, 0), o.number(scope, was, 1)
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

func (o *one) letters(scope scope, was string, n int) string {
	const all = "bcdfghjklmnpqrstvwxz2456789"
	x := o.number(scope, was, 0)
	var b strings.Builder
	for range n {
		b.WriteByte(all[x%uint64(len(all))])
		x /= uint64(len(all))
	}
	return b.String()
}

// number is the value that stands for another one within a scope.
func (o *one) number(scope scope, was string, n int) uint64 {
	seed, ok := o.w.seeds[was]
	if !ok {
		h := fnv.New64a()
		_, _ = h.Write([]byte(was)) // does not fail
		seed = h.Sum64()
		o.w.seeds[was] = seed
	}
	return rand.NewPCG(seed+uint64(n), o.seeds[scope]).Uint64()
}

// rules are those that a death of the world may have.
func (w *world) rules() []string {
	var all []string
	for _, t := range w.templates {
		all = append(all, t.death.Verdict.Rule)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
