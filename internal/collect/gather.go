// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// The limits of evidence as people have it. It may be large, so what is kept of it is bounded, and not what is read.
const (
	// objectBudget bounds, in bytes of JSON, the objects kept without asking whether they matter; beyond it only what is
	// in trouble is kept, up to three times as much. Decoded, an object takes about three times its text.
	objectBudget = 24 << 20
	// logBudget bounds all logs together; beyond it only those of pods in trouble are kept.
	logBudget = 48 << 20
	// mostObjects bounds objects by number.
	mostObjects = 60_000
	// hostHead and hostTail bound a log of a node: its beginning, as the boot is there, and its end.
	hostHead, hostTail = 1 << 20, 12 << 20
	// mostStubs bounds how many things are assumed to exist because Events name them.
	mostStubs = 500
)

// A gathering is what was read so far, of any number of files.
type gathering struct {
	logBytes int64
	held     map[evidence.Ref]*held
	events   []*corev1.Event
	parts    []*part
	logs     []pendingLog
	hosts    []hostText
	notices  []string
	newest   time.Time // the newest time in objects and Events
	modified time.Time // of the newest file; zero where it has no such time
	bytes    int       // of objects
	logSize  int
	dropped  int
	skipped  map[string]bool // logs that were left out for their size
	wide     bool            // there is a list of Events
	bound    int             // how many files something was understood of
}

// A held is the best telling of an object so far.
type held struct {
	found
	order int
}

// A hostText is the log of a node.
type hostText struct{ name, text string }

func newGathering(logBytes int64) *gathering {
	if logBytes <= 0 {
		logBytes = 256 << 10
	}
	return &gathering{logBytes: logBytes, held: map[evidence.Ref]*held{}, skipped: map[string]bool{}}
}

// hold keeps an object, unless it is known better. Of two tellings as good as each other the later counts.
func (g *gathering) hold(f found) {
	ref := evidence.RefOf(f.object)
	known := g.held[ref]
	switch {
	case known == nil && len(g.held) >= mostObjects:
		g.dropped++
	case known == nil:
		g.held[ref] = &held{found: f, order: len(g.held)}
	case f.rank > known.rank || f.rank == known.rank && !older(f.object, known.object):
		f.kinds |= known.kinds
		carry(known.object, f.object)
		known.found = f
	default:
		known.kinds |= f.kinds
		carry(f.object, known.object)
	}
}

// older tells whether an object is an earlier state of the other.
func older(a, b evidence.Object) bool {
	x, err := strconv.ParseUint(a.GetResourceVersion(), 10, 64)
	y, err2 := strconv.ParseUint(b.GetResourceVersion(), 10, 64)
	return err == nil && err2 == nil && a.GetUID() == b.GetUID() && x < y
}

// pullFailed is what a kubelet since 1.32 puts between the words of its back-off and the error before.
const pullFailed = ": ErrImagePull: "

// carry keeps of an earlier state of a pod what the later one forgot: why an image could not be pulled. Kubelets before
// 1.32 say so only in the moment of the failure, and then no more than that they back off.
func carry(from, to evidence.Object) {
	before, ok := from.(*corev1.Pod)
	after, ok2 := to.(*corev1.Pod)
	if !ok || !ok2 || before.UID != after.UID {
		return
	}
	for _, list := range [][]corev1.ContainerStatus{after.Status.InitContainerStatuses, after.Status.ContainerStatuses} {
		for i := range list {
			now := list[i].State.Waiting
			old := evidence.ContainerStatus(before, list[i].Name)
			if now == nil || now.Reason != "ImagePullBackOff" || strings.Contains(now.Message, pullFailed) || old == nil || old.State.Waiting == nil {
				continue
			}
			if w := old.State.Waiting; w.Reason == "ErrImagePull" && w.Message != "" {
				now.Message += pullFailed + w.Message
			} else if _, why, ok := strings.Cut(w.Message, pullFailed); ok {
				now.Message += pullFailed + why
			}
		}
	}
}

// affords tells whether an object of that size is kept: within the budget any, beyond it what matters.
func (g *gathering) affords(o evidence.Object, size int) bool {
	g.bytes += size
	if g.bytes <= objectBudget {
		return true
	}
	keep := false
	switch o := o.(type) {
	case *corev1.Pod:
		keep = evidence.Troubled(o, cmp.Or(g.newest, o.CreationTimestamp.Time))
	case *corev1.Node:
		keep = true
	}
	if keep = keep && g.bytes <= 3*objectBudget; !keep {
		g.bytes -= size
		g.dropped++
	}
	return keep
}

// event keeps an Event, and forgets the least telling where there are too many.
func (g *gathering) event(e *corev1.Event) {
	g.wide = true
	g.events = append(g.events, e)
	if len(g.events) < 2*mostTextEvents {
		return
	}
	slices.SortStableFunc(g.events, func(a, b *corev1.Event) int {
		return cmp.Or(-cmp.Compare(a.Type, b.Type), -evidence.EventOf(a).Last.Compare(evidence.EventOf(b).Last))
	})
	g.events = slices.Clone(g.events[:mostTextEvents])
	g.notice("there are more Events than the %d that are kept: of the Normal ones only the newest are used", mostTextEvents)
}

// notice notes something for the person who asked, each thing once.
func (g *gathering) notice(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(g.notices) < 50 && !slices.Contains(g.notices, text) {
		g.notices = append(g.notices, text)
	}
}

// take adds what a text said.
func (g *gathering) take(name string, p *part) {
	for _, n := range p.notices {
		switch {
		case n.line > 0:
			g.notice("%s line %d: %s", name, n.line, shown(n.text))
		default:
			g.notice("%s: %s", name, shown(n.text))
		}
	}
	g.wide = g.wide || p.wide
	if len(p.objects) > mostObjects {
		g.dropped += len(p.objects) - mostObjects
		p.objects = p.objects[:mostObjects]
	}
	g.parts = append(g.parts, p)
}

// shown cuts what is quoted of a file.
func shown(text string) string {
	const most = 100
	text, _ = Redact(text)
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

func (g *gathering) saw(t time.Time) {
	if t.Unix() > 0 && t.After(g.newest) {
		g.newest = t
	}
}

// taken tells when all this was so. Ages beside times tell it exactly. Else it is not before the newest time in it, and
// soon after where there are Events or nodes, of which something is always new. The rest is told by a file that was
// written, or a pipe that is read, within a day; and without that, who prints what seems wrong has waited for a while.
func (g *gathering) taken(now time.Time) time.Time {
	newest, exact := g.newest, false
	for _, p := range g.parts {
		exact = exact || len(p.anchors) > 0
		if at := p.clock(); at.After(newest) {
			newest = at
		}
	}
	written := cmp.Or(g.modified, now)
	ticks := len(g.events) > 0 || slices.ContainsFunc(g.parts, func(p *part) bool { return len(p.events) > 0 })
	for ref := range g.held {
		ticks = ticks || ref.Kind == "Node" || ref.Kind == "Lease"
	}
	switch {
	case newest.IsZero():
		newest = written
	case !exact && (!ticks || g.modified.IsZero()) && written.After(newest) && written.Sub(newest) < 24*time.Hour:
		newest = written
	case !exact && !ticks:
		newest = newest.Add(lasting)
	}
	return newest.UTC().Truncate(time.Second)
}

// lasting is how long after the newest time in objects they are taken to have been printed where nothing tells: longer
// than a start may take before it is trouble, and shorter than the time after which a restart is history.
const lasting = 2 * time.Minute

// coreEvent makes an Event of the API of one in a text.
func coreEvent(e textEvent, taken time.Time) *corev1.Event {
	first, last := e.began, e.at
	if last.IsZero() {
		first, last = taken.Add(-e.first.d), taken.Add(-e.last.d)
	}
	if first.After(last) || first.IsZero() {
		first = last
	}
	o := &corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: e.about.Kind, Namespace: e.about.Namespace, Name: e.about.Name},
		Type:           e.kind, Reason: e.reason, Message: e.message, Count: int32(min(max(e.count, 1), 1<<30)),
		FirstTimestamp: metav1.NewTime(first), LastTimestamp: metav1.NewTime(last),
		Source: corev1.EventSource{Component: e.reporter, Host: e.host},
	}
	if e.about.Container != "" {
		o.InvolvedObject.FieldPath = "spec.containers{" + e.about.Container + "}"
	}
	o.Namespace = cmp.Or(e.about.Namespace, metav1.NamespaceDefault)
	return o
}
