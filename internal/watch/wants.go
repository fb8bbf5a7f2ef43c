// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// mostWanting bounds of how many things is remembered when they were looked at last; no more are looked at in that time.
	mostWanting = 500
	// lull is how long a thing is not looked at again for what an Event says of it.
	lull = time.Minute
	// A controller that says the same of scaling so often within that time goes to and fro.
	toAndFro, toAndFroWithin = 3, 30 * time.Minute
)

// Reporter is who the Events are from that inquest itself writes.
const Reporter = "kubeinquest.io/inquest"

// complaining are the kinds of things that may be in trouble which no pod's status shows. Their controllers say so in Events.
var complaining = map[string]bool{
	"Deployment": true, "ReplicaSet": true, "ReplicationController": true, "StatefulSet": true, "DaemonSet": true, "Job": true, "CronJob": true,
	"PersistentVolumeClaim": true, "HorizontalPodAutoscaler": true,
}

// complains has a thing looked at of which an Event tells trouble. Of what the watch tells of at its start, what is older than a look in
// between counts no more.
func (r *Recorder) complains(e *corev1.Event) {
	of := e.InvolvedObject
	if !complaining[of.Kind] || of.Namespace == "" || e.ReportingController == Reporter { // what it says itself is no news
		return
	}
	said := evidence.EventOf(e)
	if r.Now().Sub(said.Last) > again || e.Type != corev1.EventTypeWarning && !swings(said) {
		return
	}
	r.want(evidence.RefTo(of.Kind, of.Namespace, of.Name))
}

// want has a thing looked at that is in trouble, or what owns it, unless it was lately.
func (r *Recorder) want(of evidence.Ref) {
	kind, name := ownerOf(of.Kind, of.Name)
	at, now := subject{ref: evidence.RefTo(kind, of.Namespace, name)}, r.Now()
	r.mu.Lock()
	maps.DeleteFunc(r.wanting, func(_ evidence.Ref, last time.Time) bool { return now.Sub(last) >= lull })
	_, lately := r.wanting[at.ref]
	lately = lately || r.pending[at] != nil || len(r.wanting) >= mostWanting // it is looked at soon, or for as long as its trouble lasts
	if !lately {
		r.wanting[at.ref] = now
	}
	r.mu.Unlock()
	if !lately {
		r.lookAt(at, patience)
	}
}

// swings tells whether a controller makes and deletes the same pods again and again (kubernetes pkg/controller/deployment/sync.go,
// pkg/controller/statefulset/stateful_pod_control.go).
func swings(e evidence.Event) bool {
	return (e.Reason == "ScalingReplicaSet" || e.Reason == "SuccessfulDelete") && e.Count >= toAndFro && e.Last.Sub(e.First) <= toAndFroWithin
}

// ownerOf returns what owns a controller of pods, as far as the name tells that it was generated: a Deployment a ReplicaSet, a CronJob a
// Job. Else it is the controller itself.
func ownerOf(kind, name string) (ownerKind, ownerName string) {
	before, last, dashed := cutLast(name)
	switch {
	case kind == "ReplicaSet" && dashed && len(last) >= 8 && len(last) <= 10 && strings.Trim(last, "bcdfghjklmnpqrstvwxz2456789") == "": // as k8s.io/apimachinery/pkg/util/rand writes a hash
		return "Deployment", before
	case kind == "Job" && dashed && len(last) == len("29733120") && strings.Trim(last, "0123456789") == "": // the minute it was due, since the epoch
		return "CronJob", before
	}
	return kind, name
}

// isNamed tells whether of a subject only the name is known: it is no pod and no node.
func (s subject) isNamed() bool { return s.uid == "" }

// unseen returns why a thing is in trouble that no pod's status shows: a workload, a claim, or a node that is closed. What its pods are in
// they tell themselves.
func (t telling) unseen(of evidence.Ref) (a answer, found bool) {
	for i := range t.report.Causes {
		c := &t.report.Causes[i]
		switch {
		case c.About.Kind == "Pod" && t.s.Covers(of, c.About): // an incident of its own
		case !t.tellsOf(of, c):
		case t.s.Covers(of, c.About.Object()):
			return answerOf(c, of), true
		default:
			return answerOf(c, t.thingOf(c.About, of, of)), true
		}
	}
	return answer{}, false
}

// tellsOf tells whether a cause or what follows from it is trouble of a thing that no pod's status shows.
func (t telling) tellsOf(of evidence.Ref, c *diagnosis.Cause) bool {
	return c.About.Kind != "Pod" && t.s.Covers(of, c.About.Object()) && isTrouble(c) ||
		slices.ContainsFunc(c.Leads, func(lead diagnosis.Cause) bool { return t.tellsOf(of, &lead) })
}

// isTrouble tells whether what a workload, a claim or a node is in is trouble. That a workload has no pods, is paused or rests, or that
// its autoscaler stays at its maximum, is what somebody wants; that an autoscaler cannot scale it, or a CronJob cannot be kept, is not.
func isTrouble(c *diagnosis.Cause) bool {
	switch c.Rule.Effect {
	case diagnosis.NotAdmitted, diagnosis.DeadlinePassed, diagnosis.VolumeFailed:
		return true
	case diagnosis.RolledOut:
		return c.About.Kind != "Node"
	case diagnosis.StuckTerminating:
		return c.About.Kind == "Node"
	case diagnosis.Unavailable:
		return slices.ContainsFunc(c.Facts, func(f evidence.Fact) bool {
			return f.About.Kind == "HorizontalPodAutoscaler" && strings.HasPrefix(f.Text, "status False") || f.About.Kind == "CronJob" && f.Kind == evidence.Events
		})
	}
	return false
}
