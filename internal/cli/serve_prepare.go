// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/lead"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/watch"
	"github.com/kubeinquest/inquest/internal/web"
)

// A serving is what is recorded, and what shows it.
type serving struct {
	config  *rest.Config   // of the cluster, if there is one
	core    rest.Interface // of its core API
	console *web.Console
	record  func(context.Context) error
}

// ready tells whether the history can be read.
func (s *serving) ready(ctx context.Context) error {
	_, err := s.console.Store.Namespaces(ctx, 1)
	return err
}

// prepare opens the history and returns what fills it, and what shows it.
func (o *serveOptions) prepare(ctx context.Context, p *program, log *slog.Logger) (*serving, error) {
	keep, err := o.keep.retention()
	if err != nil {
		return nil, err
	}
	recorder := &watch.Recorder{Rules: p.rules, Own: remedy.Own, Keep: keep, Version: thisBuild().Version, Log: log, Now: time.Now}
	if err := o.tell.prepare(cmp.Or(o.name, *o.config.Context)); err != nil {
		return nil, err
	}
	if o.from != "" {
		return o.replay(ctx, p, recorder)
	}
	a := &ask{config: o.config}
	config, err := a.restConfig()
	if err != nil {
		return nil, err
	}
	if err := reach(config, recorder); err != nil {
		return nil, err
	}
	if recorder.Cluster, err = identify(ctx, config, recorder.Client); err != nil {
		return nil, err
	}
	if err := o.narrow(ctx, p.ErrOut, recorder); err != nil {
		return nil, err
	}
	source := collect.Cluster{Config: config}.Keep()
	recorder.Source = source
	file, err := o.file(recorder.Cluster)
	if err != nil {
		return nil, err
	}
	if recorder.Store, err = history.Open(ctx, file, history.Options{Led: o.lease != "", Targets: o.tell.config.Names()}); err != nil {
		return nil, err
	}
	s := &serving{config: config, core: recorder.Client, record: o.tell.beside(recorder), console: &web.Console{
		Store: recorder.Store, Rules: p.rules, Log: log, Now: time.Now, Version: recorder.Version, Source: cmp.Or(o.name, *o.config.Context, config.Host), Shared: o.lease != "",
		Look: source, Survey: source.Survey,
	}}
	if o.access == accessCluster { // it lets in who may see things in it, and has no say about others
		s.console.Cluster = recorder.Cluster
	}
	if o.lease != "" {
		s.record, err = o.inTurn(config, recorder)
	}
	return s, err
}

// inTurn records while it is this replica's turn.
func (o *serveOptions) inTurn(config *rest.Config, recorder *watch.Recorder) (func(context.Context) error, error) {
	config = rest.CopyConfig(config)
	config.Timeout = lead.Patience(o.turn)
	leases, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find a name for this replica: %w", err)
	}
	namespace, name, _ := strings.Cut(o.lease, "/")
	seat := &lead.Seat{
		Leases: leases, Namespace: namespace, Name: name, Me: host + "_" + rand.Text(), Duration: o.turn, Log: recorder.Log,
	}
	return func(ctx context.Context) error {
		return seat.Run(ctx, func(ctx context.Context, term int64) error {
			if err := recorder.Store.Lead(ctx, recorder.Cluster, term); err != nil {
				return err
			}
			defer recorder.Store.Follow()
			return o.tell.beside(recorder)(ctx)
		})
	}, nil
}

// reach gives a recorder what it watches with. What much comes of has a connection of its own, by HTTP/1.1: by HTTP/2 each few kilobytes
// are acknowledged, for which the API server has to be woken, and pass through two goroutines here.
func reach(config *rest.Config, recorder *watch.Recorder) (err error) {
	busy := rest.CopyConfig(config)
	busy.NextProtos = []string{"http/1.1"}
	if recorder.Client, err = apiClient(config, "/api", corev1.SchemeGroupVersion); err != nil {
		return err
	}
	if recorder.Pods, err = apiClient(busy, "/api", corev1.SchemeGroupVersion); err != nil {
		return err
	}
	if recorder.Leases, err = apiClient(busy, "/apis", coordinationv1.SchemeGroupVersion); err != nil {
		return err
	}
	recorder.Groups = map[string]rest.Interface{"": recorder.Client}
	for _, version := range []schema.GroupVersion{appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion, autoscalingv2.SchemeGroupVersion} {
		if recorder.Groups[version.Group], err = apiClient(config, "/apis", version); err != nil {
			return err
		}
	}
	return nil
}

// apiClient asks one API, for protobuf. A recorder's watches wait for nobody.
func apiClient(config *rest.Config, path string, version schema.GroupVersion) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	config.APIPath, config.GroupVersion = path, &version
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.QPS = -1
	if config.BearerTokenFile != "" { // in the cluster: packing each change costs the API server, and this program, more than it spares the network
		config.DisableCompression = true
	}
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return client, nil
}

// file is where the history of a cluster is.
func (o *serveOptions) file(cluster string) (string, error) {
	if o.database != "" {
		return o.database, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the history: %w; name one with --db", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	dir := filepath.Join(state, "inquest")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a place for the history: %w; name another with --db", err)
	}
	return filepath.Join(dir, filepath.Base(cluster)+".db"), nil
}

// replay fills a history with recorded incidents. It is shown as of when the last of them was recorded.
func (o *serveOptions) replay(ctx context.Context, p *program, recorder *watch.Recorder) (*serving, error) {
	var err error
	if recorder.Store, err = history.Open(ctx, cmp.Or(o.database, "memory:"), history.Options{}); err != nil {
		return nil, err
	}
	recorder.Cluster = o.from
	last, err := replayAll(ctx, recorder, bundlesIn(o.from))
	if err != nil {
		return nil, errors.Join(err, recorder.Store.Close())
	}
	now := func() time.Time { return last }
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	return &serving{record: wait, console: &web.Console{
		Store: recorder.Store, Rules: p.rules, Log: recorder.Log, Now: now, Version: recorder.Version, Source: cmp.Or(o.name, o.from),
	}}, nil
}

// replayAll returns when the last of some bundles was recorded. One among others that cannot be read is left out, with a warning.
func replayAll(ctx context.Context, recorder *watch.Recorder, bundles []string) (last time.Time, err error) {
	for _, name := range bundles {
		taken, problem := replayOne(ctx, recorder, name)
		if ctx.Err() != nil {
			return last, ctx.Err()
		}
		if problem != nil {
			recorder.Log.Warn("a recording is not shown", "file", name, "error", problem)
			err = cmp.Or(err, problem)
		}
		if taken.After(last) {
			last = taken
		}
	}
	if last.IsZero() {
		return last, err
	}
	return last, nil
}

func replayOne(ctx context.Context, recorder *watch.Recorder, name string) (taken time.Time, err error) {
	source, err := collect.Open(name, collect.Reading{LogBytes: 256 << 10})
	if err != nil {
		return taken, err
	}
	parts := []diagnosis.Source{source}
	if c, ok := source.(*collect.Case); ok {
		parts = nil
		for _, part := range slices.Backward(c.Bundles) { // as it came about
			parts = append(parts, part.Bundle)
		}
	}
	s, err := recorder.Replay(ctx, parts...)
	if err != nil {
		err = fmt.Errorf("read %s: %w", name, err)
	}
	if s != nil {
		taken = s.Taken
	}
	return taken, err
}

// bundlesIn returns the bundles in a folder, exports of incidents among them, or what is named where that is one itself.
func bundlesIn(name string) []string {
	if isRecording(name) {
		return []string{name}
	}
	entries, err := os.ReadDir(name)
	if err != nil { // a file, or nothing: what opens it says what is wrong
		return []string{name}
	}
	var all []string
	for _, e := range entries {
		if path := filepath.Join(name, e.Name()); !e.IsDir() || isRecording(path) {
			all = append(all, path)
		}
	}
	if len(all) == 0 {
		return []string{name}
	}
	return all
}

// isRecording tells whether a folder is a bundle or the export of an incident.
func isRecording(folder string) bool {
	return slices.ContainsFunc([]string{"meta.yaml", "incident.json"}, func(file string) bool {
		_, err := os.Stat(filepath.Join(folder, file))
		return err == nil
	})
}
