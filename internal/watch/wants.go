// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// refused has a workload looked at whose controller says that it could not create a pod: no pod tells of that. What the history of
// Events says at the start counts as far as it is lately.
func (r *Recorder) refused(e *corev1.Event) {
	of := e.InvolvedObject
	if e.Reason != "FailedCreate" || of.Namespace == "" || r.Now().Sub(evidence.EventOf(e).Last) > again {
		return
	}
	switch of.Kind {
	case "ReplicaSet", "StatefulSet", "DaemonSet", "Job":
		kind, name := ownerOf(of.Kind, of.Name)
		r.lookAt(subject{ref: evidence.RefTo(kind, of.Namespace, name)}, patience)
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

// lacksPods tells whether an answer says why a workload has not the pods that it wants.
func (a answer) lacksPods() bool {
	return a.found && (a.effect == diagnosis.NotAdmitted || a.effect == diagnosis.Unavailable)
}
