// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Cluster is a live cluster as a source of evidence. It reads objects, Events, usage and logs through the API
// server, with get and list alone; Secrets it does not read at all. A snapshot is there within ten seconds, whatever
// does not answer: what could not be read by then is a gap.
type Cluster struct {
	Config   *rest.Config
	Now      func() time.Time   // nil: time.Now
	Progress func(doing string) // is told what is being read; may be nil
	Services bool               // the Services that lead to the pods that are read are read, too
	Whole    bool               // of a namespace the pods that are well are read, too, and its CronJobs; of what is in one, what bounds that

	// Pods tells which pods of a namespace or the cluster are read, well or not; of those the ones in trouble are in question. nil: all
	// in trouble, and the controllers that cannot create theirs.
	Pods func(*corev1.Pod) bool

	limits limits  // zero: the usual ones
	keeper *keeper // see Keep; nil: connections are closed after each question
}

// Snapshot reads what bears on the selection.
func (c Cluster) Snapshot(ctx context.Context, sel evidence.Selection) (*evidence.Snapshot, error) {
	api, err := c.open(c.limits)
	if err != nil {
		return nil, err
	}
	defer api.close()
	api.whole, api.services = c.Whole, c.Services
	now, progress := c.Now, c.Progress
	if now == nil {
		now = time.Now
	}
	if progress == nil {
		progress = func(string) {}
	}
	if asksNothing(sel) {
		sel.AllNamespaces = true
	}
	if _, err := selectorIn(sel); err != nil {
		return nil, err
	}
	taken := now().UTC().Truncate(time.Second)
	v, err := api.visit(ctx, c.Pods, sel, taken, progress)
	if isTimeout(err) && ctx.Err() == nil && c.Config.ExecProvider != nil {
		// A program that gets the credentials may have had to wait for a person; the client has them now.
		v, err = api.visit(ctx, c.Pods, sel, taken, progress)
	}
	if err != nil {
		return nil, api.explain(err)
	}
	return Select(v.snapshot(), sel)
}

// visit reads everything for one question, within the limit for that.
func (a *api) visit(ctx context.Context, only func(*corev1.Pod) bool, sel evidence.Selection, taken time.Time, progress func(string)) (*visit, error) {
	v := &visit{api: a, sel: sel, about: subjectOf(sel), only: only, progress: progress, asked: map[evidence.Ref]bool{}, told: map[evidence.Ref]bool{}}
	v.s.Taken = taken
	v.logAPI = a
	if v.about.Kind == "Pod" {
		v.api, v.logAPI = a.counted(mostForPod-logsOfThose), a.counted(logsOfThose)
	}
	visiting, cancel := context.WithTimeout(ctx, a.limits.visit)
	defer cancel()
	pods, err := v.subject(visiting)
	if err != nil {
		return nil, err
	}
	v.around(visiting, pods)
	return v, ctx.Err()
}

// A visit is what one question has read of a cluster so far. Its methods may be called from many goroutines.
type visit struct {
	api      *api
	logAPI   *api // for logs
	sel      evidence.Selection
	about    evidence.Ref
	only     func(*corev1.Pod) bool // nil: those in trouble
	progress func(string)
	inOrder  bool // one after the other, so that it is always the same that are left out

	mu    sync.Mutex
	s     evidence.Snapshot
	asked map[evidence.Ref]bool // was asked for, so that nothing is read twice
	told  map[evidence.Ref]bool // nodes whose kubelets, and pods of which an agent, have told what is used
	heard []evidence.Ref        // nodes whose agents were heard
	mute  []evidence.Gap        // of nodes whose kubelets could not be asked
}

func (v *visit) add(objects ...evidence.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.s.Objects = append(v.s.Objects, objects...)
}

func (v *visit) gap(kind evidence.Kind, about evidence.Ref, why string) {
	why, _ = Redact(why) // what was answered may quote what was asked for
	v.mu.Lock()
	defer v.mu.Unlock()
	v.s.Gaps = append(v.s.Gaps, evidence.Gap{Kind: kind, About: about, Why: why})
}

func (v *visit) absent(ref evidence.Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.s.Absent = append(v.s.Absent, ref)
}

// has notes that what lacks a kind of evidence when it cannot be read could be read.
func (v *visit) has(kind string) {
	if kind == "Lease" { // of no use without its node
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.s.Has |= resources[kind].kind &^ evidence.Changes
}

// once returns those of the things that nobody has asked for yet, and notes that they are asked for now.
func (v *visit) once(refs []evidence.Ref) []evidence.Ref {
	v.mu.Lock()
	defer v.mu.Unlock()
	var fresh []evidence.Ref
	for _, ref := range refs {
		if !v.asked[ref] {
			v.asked[ref] = true
			fresh = append(fresh, ref)
		}
	}
	return fresh
}

// begun tells whether somebody has asked for the thing already.
func (v *visit) begun(ref evidence.Ref) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked[ref]
}

// around reads what surrounds the pods: everything that does not depend on something else at the same time. Of one pod,
// for which requests are counted, it reads first what bears most on its death, and the rest in order.
func (v *visit) around(ctx context.Context, pods []*corev1.Pod) {
	v.s.Has |= evidence.Spec | evidence.Status
	var group sync.WaitGroup
	events := &eventReader{visit: v, pods: pods, asked: map[string]bool{}}
	found, measured := slices.Clone(v.s.Objects), v.using(pods)
	v.progress(fmt.Sprintf("reading what surrounds %d pods", len(pods)))
	group.Go(func() {
		v.logs(ctx, pods)
		if v.about.Kind != "Pod" {
			v.agents(ctx, measured)
		}
	})
	group.Go(func() { v.nodes(ctx, measured) })
	group.Go(func() { v.controllers(ctx) })
	group.Go(func() {
		v.owners(ctx, found)
		if v.about.Kind != "Pod" {
			v.change(ctx, pods)
		}
	})
	group.Go(func() { events.read(ctx) })
	if v.about.Kind == "Pod" {
		group.Wait()
		v.inOrder = true
		v.api.left.Add(max(v.logAPI.left.Load(), 0))
		v.logAPI = v.api
		v.agents(ctx, pods)
		events.rest(ctx)
		v.dependencies(ctx, pods, events) // what the program could not use says why it ended: it comes before what the pod is compared with
		v.change(ctx, pods)
		v.heartbeats(ctx, pods)
	} else {
		group.Go(func() { v.usage(ctx, measured) })
	}
	for _, read := range []func(context.Context, []*corev1.Pod){v.references, v.volumes, v.namespaces, v.services} {
		v.together(&group, func() { read(ctx, pods) })
	}
	group.Wait()
	events.rest(ctx)
	if v.about.Kind != "Pod" {
		v.dependencies(ctx, pods, events)
	}
	v.usage(ctx, measured)
	v.forgetMeasured(measured)
	v.withoutKubelets()
	events.finish(ctx)
	v.consumers(ctx)
	v.room(ctx, pods)
}

// together runs f in the group, or at once where things are read in order.
func (v *visit) together(group *sync.WaitGroup, f func()) {
	if v.inOrder {
		f()
		return
	}
	group.Go(f)
}

// snapshot puts together what was read.
func (v *visit) snapshot() *evidence.Snapshot {
	if v.about != ControlPlane {
		v.s.Gaps = append(v.s.Gaps, evidence.Gap{Kind: evidence.Control, Why: "the control plane was not looked at"})
	}
	if v.sel.NoLogs {
		v.s.Gaps = append(v.s.Gaps, evidence.Gap{Kind: evidence.Logs, Why: "not asked for (--no-logs)"})
	}
	return v.s.Freeze()
}

// How many things of one kind are read one by one, of more the kind is listed; and how many namespaces are listed one
// by one, of more all are.
const (
	fewThings     = 20
	fewNamespaces = 3
)

// fetch reads the named things, which are all of one kind, unless somebody has. What does not exist is noted as
// absent. ConfigMaps are not listed, because a list brings all their values.
func (v *visit) fetch(ctx context.Context, refs []evidence.Ref) []evidence.Object {
	var found []evidence.Object
	var mu sync.Mutex
	take := func(objects ...evidence.Object) {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, objects...)
	}
	refs = v.once(refs)
	var group sync.WaitGroup
	few := fewThings
	if len(refs) > 0 && refs[0].Kind == "NodeMetrics" { // all of them are a small list
		few = 1
	}
	if len(refs) > few && refs[0].Kind != "ConfigMap" {
		for namespace, refs := range byNamespace(refs) {
			v.together(&group, func() { take(v.fetchList(ctx, namespace, refs)...) })
		}
	} else {
		for _, ref := range refs {
			v.together(&group, func() { take(v.fetchSingle(ctx, ref)...) })
		}
	}
	group.Wait()
	slices.SortFunc(found, func(a, b evidence.Object) int { return evidence.RefOf(a).Compare(evidence.RefOf(b)) })
	v.add(found...)
	return found
}

// byNamespace sorts the things into one heap a namespace; into a single one, of all namespaces, when there are more of
// those than are listed one by one.
func byNamespace(refs []evidence.Ref) map[string][]evidence.Ref {
	heaps := map[string][]evidence.Ref{}
	for _, ref := range refs {
		heaps[ref.Namespace] = append(heaps[ref.Namespace], ref)
	}
	if len(heaps) > fewNamespaces {
		return map[string][]evidence.Ref{"": refs}
	}
	return heaps
}

func (v *visit) fetchSingle(ctx context.Context, ref evidence.Ref) []evidence.Object {
	o, err := v.api.get(ctx, ref)
	switch {
	case err == nil:
		v.has(ref.Kind)
		return []evidence.Object{o}
	case isAbsent(err):
		v.has(ref.Kind)
		if !isUsage(ref.Kind) { // a pod that does not run has none
			v.absent(ref)
		}
	default:
		about := ref
		about.Kind = strings.TrimSuffix(ref.Kind, "Metrics")
		v.gap(resources[ref.Kind].kind, about, v.api.why(ctx, err, "get", ref.Kind, ref.Namespace))
	}
	return nil
}

func (v *visit) fetchList(ctx context.Context, namespace string, refs []evidence.Ref) []evidence.Object {
	kind := refs[0].Kind
	wanted := map[evidence.Ref]bool{}
	for _, ref := range refs {
		wanted[ref] = true
	}
	objects, _, err := v.api.list(ctx, query{kind: kind, namespace: namespace}, func(o evidence.Object) bool {
		return wanted[evidence.RefOf(o)]
	})
	for _, o := range objects {
		delete(wanted, evidence.RefOf(o))
	}
	if len(objects) > 0 || err == nil {
		v.has(kind)
	}
	if err != nil {
		v.gap(resources[kind].kind, within(namespace), v.api.why(ctx, err, "list", kind, namespace))
		return objects
	}
	for ref := range wanted {
		if !isUsage(kind) {
			v.absent(ref)
		}
	}
	return objects
}

// isUsage tells whether a kind is what something uses, which is served of what runs.
func isUsage(kind string) bool { return kind == "PodMetrics" || kind == "NodeMetrics" }

// within is the whole namespace; the cluster without one.
func within(namespace string) evidence.Ref {
	if namespace == "" {
		return evidence.Cluster
	}
	return evidence.RefTo("Namespace", "", namespace)
}

// distinct returns the things sorted, each once.
func distinct(refs []evidence.Ref) []evidence.Ref {
	slices.SortFunc(refs, evidence.Ref.Compare)
	return slices.Compact(refs)
}

// namespacesOf returns the namespaces of pods, sorted, each once.
func namespacesOf(pods []*corev1.Pod) []string {
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
