// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A watched is one kind that is watched, in one namespace or in all.
type watched struct {
	client    rest.Interface
	resource  string
	namespace string // empty: all
	needed    bool   // without it there is nothing to record
	see       func(apiwatch.EventType, evidence.Object)
	begin     func()
	inStep    func()
	leisure   time.Duration // how long what comes may wait
	marks     bool          // by HTTP/1.1, by which only bookmarks tell that the API server is there
}

// scope returns the namespaces that are watched, or one without a name for all.
func (r *Recorder) scope() []string {
	if len(r.Namespaces) == 0 {
		return []string{""}
	}
	return r.Namespaces
}

func (r *Recorder) watches(ctx context.Context) []watched {
	nothing := func() {}
	var all []watched
	for _, namespace := range r.scope() {
		all = append(all, watched{
			client: r.Pods, resource: "pods", namespace: namespace, needed: true, marks: true,
			see:   func(k apiwatch.EventType, o evidence.Object) { r.seePod(ctx, k, o) },
			begin: func() { r.ledger.Begin(namespace) }, inStep: func() { r.seenPods(ctx, namespace) },
		}, watched{
			client: r.Client, resource: "events", namespace: namespace,
			see: func(k apiwatch.EventType, o evidence.Object) { r.seeEvent(ctx, k, o) }, begin: nothing, inStep: nothing,
		})
		all = append(all, r.watchesOfThings(ctx, namespace)...)
	}
	all = append(all, watched{client: r.Client, resource: "nodes", see: r.seeNode, begin: r.beginNodes, inStep: r.seenNodes})
	if r.Leases != nil && len(r.Namespaces) == 0 {
		all = append(all, watched{client: r.Leases, resource: "leases", see: r.seeLease, begin: r.leases.begin, inStep: r.leases.inStep, leisure: renewals, marks: true})
	}
	return all
}

// watchesOfThings are those of workloads, claims and autoscalers in a namespace, or in all.
func (r *Recorder) watchesOfThings(ctx context.Context, namespace string) []watched {
	var all []watched
	for _, k := range thingKinds {
		if client := r.Groups[k.group]; client != nil {
			all = append(all, watched{
				client: client, resource: k.resource, namespace: namespace,
				see:   func(e apiwatch.EventType, o evidence.Object) { r.seeThing(ctx, e, o) },
				begin: func() { r.things.begin(k.kind, namespace) }, inStep: func() { r.things.inStep(k.kind, namespace) },
			})
		}
	}
	return all
}

// what names what is watched, as in "pods in namespace shop".
func (w *watched) what() string {
	if w.namespace == "" {
		return w.resource
	}
	return w.resource + " in namespace " + w.namespace
}

// gap says of what nothing was heard, and which right is missing where that is why.
func (w *watched) gap(why error) string {
	text := "nothing was heard of " + w.what()
	switch {
	case apierrors.IsForbidden(why):
		return text + ": forbidden: cannot watch " + w.what()
	case apierrors.IsNotFound(why):
		return text + ": the API server does not serve them"
	}
	return text
}

// gapIn returns that of some gaps which is of what is watched; none has no beginning.
func (w *watched) gapIn(open []history.Gap) history.Gap {
	for _, g := range open {
		if rest, ok := strings.CutPrefix(g.What, w.gap(nil)); ok && (rest == "" || rest[0] == ':') {
			return g
		}
	}
	return history.Gap{}
}

// openGaps returns the gaps that the last process left open, and notes what nobody watched since then, and what is not watched by this one.
// What nobody watches any more, as the last one was told to watch something else, is no gap from now on.
func (r *Recorder) openGaps(ctx context.Context, before history.Watch) ([]history.Gap, error) {
	gaps, err := r.Store.GapsIn(ctx, r.Cluster, r.Now(), time.Time{}, nil, 1000)
	if err != nil {
		return nil, fmt.Errorf("read what could not be seen: %w", err)
	}
	open := slices.DeleteFunc(gaps, func(g history.Gap) bool { return !g.To.IsZero() })
	watches, beyond := r.watches(ctx), r.beyond()
	r.away = time.Time{}
	var noted []history.Gap
	for _, g := range open {
		mine := []history.Gap{g}
		switch {
		case g.What == nobody:
			r.away = g.From
		case g.What == beyond:
			beyond = ""
		case !slices.ContainsFunc(watches, func(w watched) bool { return w.gapIn(mine).What != "" }):
			g.To = r.Now()
			noted = append(noted, g)
		}
	}
	if r.away.IsZero() && !before.Beat.IsZero() && r.Now().Sub(before.Beat) > silence {
		r.away = before.Beat
	}
	if !r.away.IsZero() { // until all pods have been seen
		noted = append(noted, history.Gap{Cluster: r.Cluster, What: nobody, From: r.away})
	}
	if beyond != "" {
		noted = append(noted, history.Gap{Cluster: r.Cluster, What: beyond, From: r.Now()})
	}
	if err := r.Store.Gaps(ctx, noted...); err != nil {
		return nil, fmt.Errorf("keep a gap: %w", err)
	}
	return open, nil
}

// beyond says what is not watched, where only some namespaces are; empty where all are.
func (r *Recorder) beyond() string {
	if len(r.Namespaces) == 0 {
		return ""
	}
	return fmt.Sprintf("%snamespace %s, nor any lease: %s", history.Beyond, strings.Join(r.Namespaces, ", "), r.Narrowed)
}

// follow watches one kind until the context ends, and has what was not heard of it noted. Open is the gap in which nothing is heard of it yet.
func (r *Recorder) follow(ctx context.Context, w watched, open history.Gap) error {
	known, told := false, "" // what is broken, as it was told last
	broken := func(since time.Time, why error) {
		told = w.gap(why)
		r.counts.broken.Add(1)
		r.counts.hears(w, false)
		open = r.opens(ctx, w, open, since, why)
		r.Log.Warn("a watch broke off", "resource", w.resource, "namespace", w.namespace, "since", open.From, "err", why)
	}
	stream := &Stream{
		Client: w.client, Resource: w.resource, Namespace: w.namespace, Leisure: w.leisure, Marks: w.marks, Now: r.Now, See: w.see, Begin: w.begin,
		Broken: broken,
		InStep: func() {
			known, told = true, ""
			w.inStep()
			r.counts.hears(w, true)
			r.closes(ctx, open)
			open = history.Gap{}
		},
	}
	for {
		err := stream.Run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if w.needed && !known {
			if len(r.scope()) == 1 {
				return err
			}
			r.seen(w.namespace) // there are others
		}
		if told != w.gap(err) { // the last process may have been blind as well
			broken(r.Now(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(refused):
		}
	}
}

// opens notes since when nothing is heard of what is watched, which goes on where a gap is open already, and returns that gap. Where it is for
// another reason now, that is another gap.
func (r *Recorder) opens(ctx context.Context, w watched, open history.Gap, since time.Time, why error) history.Gap {
	gap := history.Gap{Cluster: r.Cluster, Namespace: w.namespace, What: w.gap(why), From: since}
	if open.What == gap.What { // else the last process was blind as well
		gap.From = open.From
	} else if open.What != "" {
		gap.From = r.Now()
		r.closes(ctx, open)
	}
	r.gap(ctx, gap)
	return gap
}

// closes notes that something is heard again, where a gap is open.
func (r *Recorder) closes(ctx context.Context, open history.Gap) {
	if open.What != "" {
		open.To = r.Now()
		r.gap(ctx, open)
	}
}

// gap notes what was not heard. An open end is closed when the watch is in step again, by this process or the next.
func (r *Recorder) gap(ctx context.Context, gap history.Gap) {
	r.counts.gaps.Add(1)
	err := r.insist(ctx, "keep a gap", func() error { return r.Store.Gaps(ctx, gap) })
	if err != nil && ctx.Err() == nil {
		r.Log.Error("a gap was not kept", "gap", gap.What, "err", err)
	}
}
