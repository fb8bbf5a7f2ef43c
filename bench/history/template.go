// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/watch"
)

// A template is the death of one pod in a recording, as the recorder gives it to its history, cut at what another death
// like it would have otherwise: names, times, UIDs.
type template struct {
	death   history.Death
	report  text
	message text
	files   []file
}

type file struct {
	name, content text
	log           bool
}

// A text is what stays and what does not, in turn.
type text []piece

type piece struct {
	what  what
	scope scope
	text  string        // what stays, or what was there
	after time.Duration // of a moment: its distance from when the pod died
}

// What a piece is.
type what int

const (
	same what = iota
	moment
	uid
	container // ID, or digest of an image
	suffix    // of the name of an Event
	version   // of a resource
	address
	podName
	appName
	nodeName
	namespaceName
)

// A scope is what a value stays the same for.
type scope int

const (
	ofDeath scope = iota
	ofPod
	ofApp
	ofNode
)

// narrow asks a recording for one pod, as the recorder asks the cluster.
type narrow struct {
	collect.Bundle
	pod evidence.Ref
}

func (n narrow) Snapshot(ctx context.Context, _ evidence.Selection) (*evidence.Snapshot, error) {
	return n.Bundle.Snapshot(ctx, evidence.Selection{Ref: n.pod, Namespace: n.pod.Namespace})
}

// templates reads the recordings that match patterns.
func templates(ctx context.Context, patterns ...string) ([]*template, error) {
	var all []*template
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			some, err := fromRecording(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, some...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no recording of a death in %s", strings.Join(patterns, ", "))
	}
	return all, nil
}

func fromRecording(ctx context.Context, name string) ([]*template, error) {
	files := os.DirFS(name)
	if strings.HasSuffix(name, ".txtar") {
		var err error
		if files, err = collect.OpenArchive(name); err != nil {
			return nil, err
		}
	}
	bundle := collect.Bundle{FS: files, Name: name}
	s, err := bundle.Snapshot(ctx, evidence.Selection{AllNamespaces: true})
	if err != nil {
		return nil, err
	}
	var all []*template
	for _, pod := range evidence.List[*evidence.Pod](s) {
		d, err := lastDeath(ctx, narrow{bundle, evidence.RefOf(pod)}, s.Taken)
		if err != nil {
			return nil, err
		}
		if d != nil {
			all = append(all, newTemplate(d))
		}
	}
	return all, nil
}

// lastDeath replays what one pod tells into a history of its own, and returns the last death of it with all that is kept.
func lastDeath(ctx context.Context, source diagnosis.Source, now time.Time) (*history.Death, error) {
	s, err := history.Open(ctx, "memory:", history.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }() // it is in memory
	r := watch.Recorder{Rules: rules.All(), Store: s, Cluster: "bench", Version: "v0.5.0", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	if _, err := r.Replay(ctx, source); err != nil {
		return nil, err
	}
	page, err := s.Deaths(ctx, history.Filter{Limit: 1})
	if err != nil || len(page.Items) == 0 || page.Items[0].Verdict == nil {
		return nil, err
	}
	d := page.Items[0]
	if d.Verdict.Bundle, err = s.Bundle(ctx, d.ID, nil); err != nil {
		return nil, err
	}
	d.Verdict.Report, err = s.Report(ctx, d.ID, nil)
	return &d, err
}

// A cutter knows what a death has of its own.
type cutter struct {
	pattern *regexp.Regexp
	names   map[string]what
	lasting map[string]bool // values that manifests of workloads have too
	died    time.Time
}

const values = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}|` +
	`\.[0-9a-f]{16}\b|resourceVersion: "\d+"|\b10\.\d+\.\d+\.\d+\b`

func newTemplate(d *history.Death) *template {
	c := &cutter{died: cmp.Or(d.Finished, d.Seen), lasting: map[string]bool{}, names: map[string]what{
		d.Of.Namespace: namespaceName, d.Of.Name: podName, d.Workload.Name: appName, d.Node: nodeName,
	}}
	var names []string // the longest first: a pod's name begins with that of its workload
	for _, name := range []string{d.Of.Namespace, d.Of.Name, d.Workload.Name, d.Node} {
		if name != "" {
			names = append(names, `\b`+regexp.QuoteMeta(name)+`\b`)
		}
	}
	c.pattern = regexp.MustCompile(values + "|" + strings.Join(names, "|"))
	for name, data := range d.Verdict.Bundle {
		if scopeOf(name) >= ofApp {
			for _, value := range c.pattern.FindAllString(string(data), -1) {
				c.lasting[value] = true
			}
		}
	}
	t := &template{death: *d, report: c.cut(ofDeath, string(d.Verdict.Report)), message: c.cut(ofDeath, d.Verdict.Message)}
	for name, data := range d.Verdict.Bundle {
		t.files = append(t.files, file{c.cut(ofPod, name), c.cut(scopeOf(name), string(data)), strings.HasPrefix(name, "logs/")})
	}
	t.death.Verdict.Bundle, t.death.Verdict.Report = nil, nil
	return t
}

// scopeOf tells how long a file of a bundle stays as it is.
func scopeOf(name string) scope {
	switch {
	case !strings.HasPrefix(name, "objects/"), strings.Contains(name, "/pod/"), strings.Contains(name, "/lease/"):
		return ofDeath
	case strings.Contains(name, "/node/"):
		return ofNode
	}
	return ofApp
}

func (c *cutter) cut(scope scope, s string) text {
	var all text
	for s != "" {
		at := c.pattern.FindStringIndex(s)
		if at == nil {
			break
		}
		all = append(all, piece{text: s[:at[0]]}, c.piece(scope, s[at[0]:at[1]]))
		s = s[at[1]:]
	}
	return append(all, piece{text: s})
}

func (c *cutter) piece(scope scope, value string) piece {
	p := piece{text: value, scope: scope}
	if name, ok := c.names[value]; ok {
		p.what = name
		return p
	}
	lasts := c.lasting[value]
	switch {
	case value[0] == '.':
		p.what, p.scope = suffix, ofPod
	case strings.HasPrefix(value, "resource"):
		p.what = version
	case len(value) == 64:
		p.what = container
	case len(value) == 36:
		p.what, p.scope = uid, ofPod
	case strings.Contains(value, ":"):
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil || at.Year() < 2000 { // that a run has no times is told as the beginning of them
			return p
		}
		p.what, p.after = moment, at.Sub(c.died)
	default:
		p.what, p.scope = address, ofPod
	}
	if lasts && p.scope < ofApp {
		p.scope = max(scope, ofApp)
	}
	return p
}
