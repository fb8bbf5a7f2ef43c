// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// mostWanting bounds of how many workloads is remembered when they were looked at last; no more are looked at in that time.
	mostWanting = 500
	// lull is how long a workload is not looked at again for what its controller says.
	lull = time.Minute
)

// uncreated has a workload looked at whose controller says that it could not create a pod: no pod tells of that. Of what the watch tells
// of at its start, what is older than a look in between counts no more.
func (r *Recorder) uncreated(e *corev1.Event) {
	of, now := e.InvolvedObject, r.Now()
	if e.Reason != "FailedCreate" || of.Namespace == "" || now.Sub(evidence.EventOf(e).Last) > again {
		return
	}
	switch of.Kind {
	case "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job", "CronJob":
	default:
		return
	}
	kind, name := ownerOf(of.Kind, of.Name)
	ref := evidence.RefTo(kind, of.Namespace, name)
	r.mu.Lock()
	maps.DeleteFunc(r.wanting, func(_ evidence.Ref, last time.Time) bool { return now.Sub(last) >= lull })
	_, lately := r.wanting[ref]
	if !lately && len(r.wanting) < mostWanting {
		r.wanting[ref] = now
	} else {
		lately = true
	}
	r.mu.Unlock()
	if !lately {
		r.lookAt(subject{ref: ref}, patience)
	}
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

// isWorkload tells whether a subject is a workload of which only the name is known.
func (s subject) isWorkload() bool { return s.uid == "" }

// lacksPods returns why no pod can be created for a workload, or for a controller that it owns.
func lacksPods(s *evidence.Snapshot, causes []diagnosis.Cause, of evidence.Ref) (a answer, found bool) {
	for i := range causes {
		c := &causes[i]
		if c.Rule.Effect == diagnosis.NotAdmitted && s.Covers(of, c.About.Object()) {
			return answerOf(c, of), true
		}
		if a, found = lacksPods(s, c.Leads, of); found {
			return a, true
		}
	}
	return answer{}, false
}
