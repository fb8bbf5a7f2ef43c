// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// An Event is a Kubernetes Event in the one form that rules read, whichever API and recorder wrote it.
type Event struct {
	About         Ref    // the object, or its container where the field path names one
	UID           string // of the object: a pod of the same name is another pod
	Type          string // Normal or Warning
	Reason        string
	Message       string
	First, Last   time.Time
	Count         int    // at least 1
	Reporter      string // "kubelet", "default-scheduler"
	ReportingHost string // the node, for the kubelet's
}

// containerPath is how the kubelet names a container in involvedObject.fieldPath; init and ephemeral containers have
// lists of their own (kubernetes pkg/kubelet/container/ref.go).
var containerPath = regexp.MustCompile(`^spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}$`)

// EventOf reads an Event as the core API gives it. Recorders of events.k8s.io leave firstTimestamp, lastTimestamp and
// count empty and use eventTime and series instead.
func EventOf(e *corev1.Event) Event {
	ev := Event{
		About: RefTo(e.InvolvedObject.Kind, e.InvolvedObject.Namespace, e.InvolvedObject.Name),
		UID:   string(e.InvolvedObject.UID),
		Type:  e.Type, Reason: e.Reason, Message: e.Message,
		First: cmp.Or(e.FirstTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time), Count: int(e.Count),
		Reporter: cmp.Or(e.ReportingController, e.Source.Component), ReportingHost: e.Source.Host,
	}
	if m := containerPath.FindStringSubmatch(e.InvolvedObject.FieldPath); m != nil {
		ev.About = ev.About.InContainer(m[1])
	}
	ev.Last = cmp.Or(e.LastTimestamp.Time, ev.First)
	if e.Series != nil {
		ev.Last, ev.Count = e.Series.LastObservedTime.Time, int(e.Series.Count)
	}
	ev.Count = max(ev.Count, 1)
	return ev
}

// Fact returns the Event as an observation, in the Event's own words.
func (e Event) Fact() Fact {
	text := e.Reason + ": " + e.Message
	if e.Count > 1 {
		text += fmt.Sprintf(" (x%d)", e.Count)
	}
	return Fact{Kind: Events, Source: FromEvent, About: e.About, At: e.Last, Where: "events", Text: text}
}
