// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// Things are what is kept of workloads, claims and autoscalers, to know what changes about them: one or two hundred bytes of each.
type things struct {
	mu    sync.Mutex
	known map[evidence.Ref]*thingKnown
}

type thingKnown struct {
	values, trouble []string
	seen            bool // since all there are of its kind and namespace began to come again
}

func newThings() *things { return &things{known: map[evidence.Ref]*thingKnown{}} }

// begin is told that all things of a kind come again, of a namespace or of all.
func (t *things) begin(kind, namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ref, k := range t.known {
		k.seen = k.seen && !isAmong(ref, kind, namespace)
	}
}

// inStep is told that all of them have come.
func (t *things) inStep(kind, namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.known, func(ref evidence.Ref, k *thingKnown) bool { return !k.seen && isAmong(ref, kind, namespace) })
}

func isAmong(ref evidence.Ref, kind, namespace string) bool {
	return ref.Kind == kind && (namespace == "" || ref.Namespace == namespace)
}

// A thingChange is a change of a thing, as an Event tells of one.
type thingChange struct{ reason, message string }

// see returns what changed about a thing since it was seen last, and whether it is in trouble now that it was not in.
func (t *things) see(kind apiwatch.EventType, now *thing) (changes []thingChange, troubled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ref := now.ref()
	before := t.known[ref]
	if kind == apiwatch.Deleted {
		delete(t.known, ref)
		return nil, false
	}
	t.known[ref] = &thingKnown{values: now.values, trouble: now.trouble, seen: true}
	if before == nil { // it is told of by itself, or was so before anybody looked
		return nil, len(now.trouble) > 0 && !now.of.passes
	}
	for i, m := range now.of.marks {
		if was, is := before.values[i], now.values[i]; was != is {
			changes = append(changes, thingChange{m.reason, m.tell(was, is)})
		}
	}
	for _, c := range now.trouble {
		if slices.Contains(before.trouble, c) {
			continue
		}
		troubled = true
		if name, status, _ := strings.Cut(c, "="); slices.Contains(badConditions, c) { // else a mark tells
			changes = append(changes, thingChange{conditionChanged, "condition " + name + " is " + status + " now"})
		}
	}
	return changes, troubled
}

func (t *thing) ref() evidence.Ref { return evidence.RefTo(t.of.kind, t.Namespace, t.Name) }

// tell says how a mark changed.
func (m *mark) tell(was, is string) string {
	if m.as != template {
		return m.name + " " + orNone(was) + " → " + orNone(is)
	}
	before, after := imagesIn(was), imagesIn(is)
	if slices.Equal(before, after) {
		return "the template of its pods changed, and no image in it"
	}
	return "the template of its pods changed: image " + orNone(without(before, after)) + " → " + orNone(without(after, before))
}

// imagesIn returns the images of a template as a mark has it.
func imagesIn(value string) []string {
	all := strings.Split(value, " ")
	return all[:len(all)-1]
}

// without returns what of some images is not among others.
func without(images, others []string) string {
	only := slices.DeleteFunc(slices.Clone(images), func(image string) bool { return slices.Contains(others, image) })
	return strings.Join(only, ", ")
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// seeThing keeps what changed about a thing as Events are kept, and has what is in trouble looked at.
func (r *Recorder) seeThing(ctx context.Context, kind apiwatch.EventType, o evidence.Object) {
	t, err := thingOf(o)
	if t == nil || err != nil {
		r.Log.Error("a thing cannot be read", "thing", evidence.RefOf(o), "err", err)
		return
	}
	changes, troubled := r.things.see(kind, t)
	now := r.Now()
	for _, c := range changes {
		message, _ := collect.Redact(c.message)
		e := evidence.Event{
			About: t.ref(), UID: string(t.UID), Type: corev1.EventTypeNormal, Reason: c.reason, Message: message, First: now, Last: now, Count: 1, Reporter: Reporter,
		}
		if troubled {
			e.Type = corev1.EventTypeWarning
		}
		send(ctx, r.events, history.Event{Cluster: r.Cluster, ID: strings.Join([]string{string(t.UID), t.ResourceVersion, c.reason, message}, " "), Event: e})
	}
	if troubled {
		r.want(t.ref())
	}
}
