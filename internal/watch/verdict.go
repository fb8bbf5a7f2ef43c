// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A finding about one end: the cause that it hangs under, and the thing that this is about.
type answer struct {
	rule, confidence, message string
	thing                     evidence.Ref // what an incident is of: a workload where the cause is in one of its pods
	about                     evidence.Ref // what the cause is about
	effect                    diagnosis.Effect
	found                     bool // the report tells of it
}

// answerFor returns the first cause in a report that the end of a run, or the trouble of a pod, follows from. Where there is
// none, rule is empty and the message says what is not known.
func (t telling) answerFor(of, workload evidence.Ref) answer {
	report := t.report
	itself := func(c *diagnosis.Cause) bool { // why a pod is in trouble is not why a run of it ended, if there is more to say
		return of.Container == "" && bears(c.About, of) && c.About.Attempt == evidence.NoAttempt
	}
	behind := func(c *diagnosis.Cause) bool { return covers(c, of) || of == collect.ControlPlane }
	for _, is := range []func(*diagnosis.Cause) bool{itself, behind} {
		if c := first(report.Causes, is, of); c != nil {
			if of.Container == "" && c.Rule.Effect == diagnosis.NodeRestarted { // and now it is lost, perhaps
				c = first(report.Causes, func(other *diagnosis.Cause) bool { return other.About == c.About }, of)
			}
			return answerOf(c, t.thingOf(c.About, of, workload))
		}
	}
	for _, u := range report.Undetermined {
		if bears(u.About, of) {
			return answer{message: u.Message, thing: workload.InContainer(of.Container), found: true}
		}
	}
	for i := range report.Causes { // what is wrong with the node of a pod that is not ready is why
		if c := &report.Causes[i]; of.Container == "" && c.About.Kind == "Node" && (c.Until.IsZero() || !t.s.Taken.After(c.Until)) {
			return answerOf(c, c.About.Object())
		}
	}
	return answer{message: fmt.Sprintf("nothing that could be read says why %s is in trouble", of), thing: workload.InContainer(of.Container)}
}

func answerOf(c *diagnosis.Cause, thing evidence.Ref) answer {
	return answer{c.Rule.ID, c.Confidence.String(), c.Message, thing, c.About, c.Rule.Effect, true}
}

// first returns the first cause that is so, or nil. That a node restarted is why runs ended. It is why something is in trouble only where
// nothing else is: what is the matter since then is what has to be mended.
func first(causes []diagnosis.Cause, is func(*diagnosis.Cause) bool, of evidence.Ref) *diagnosis.Cause {
	var restarted *diagnosis.Cause
	for i := range causes {
		c := &causes[i]
		switch {
		case !is(c):
		case of.Container != "" || c.Rule.Effect != diagnosis.NodeRestarted:
			return c
		case restarted == nil:
			restarted = c
		}
	}
	return restarted
}

// covers tells whether a cause or what follows from it is about the end.
func covers(c *diagnosis.Cause, of evidence.Ref) bool {
	if bears(c.About, of) {
		return true
	}
	for i := range c.Leads {
		if covers(&c.Leads[i], of) {
			return true
		}
	}
	return false
}

// bears tells whether what is said of one thing is said of a run of a container, or of a pod where no run is meant.
func bears(about, of evidence.Ref) bool {
	switch {
	case about.Object() != of.Object():
		return false
	case about.Container == "" || of.Container == "":
		return true
	case about.Container != of.Container:
		return false
	}
	return about.Attempt == evidence.NoAttempt || of.Attempt == evidence.NoAttempt || about.Attempt == of.Attempt
}

// thingOf returns what an incident with a cause about something is of: pods come and go, so theirs are of their workload.
func (t telling) thingOf(about, of, workload evidence.Ref) evidence.Ref {
	switch {
	case about.Object() == of.Object():
		return workload.InContainer(about.Container)
	case about.Kind == "ReplicaSet" && about.Namespace == of.Namespace:
		return workload
	}
	if pod, ok := t.s.Object(about).(*corev1.Pod); ok {
		return WorkloadOf(pod).InContainer(about.Container)
	}
	return about.Object()
}

// WorkloadOf returns the workload that owns a pod as the pod alone tells: a Deployment and a CronJob by the names that their
// controllers give to what they own.
func WorkloadOf(pod *corev1.Pod) evidence.Ref {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind == "Node" {
		return evidence.RefOf(pod)
	}
	kind, name := owner.Kind, owner.Name
	if hash := pod.Labels["pod-template-hash"]; kind == "ReplicaSet" {
		if deployment, of := strings.CutSuffix(name, "-"+hash); hash != "" && of {
			kind, name = "Deployment", deployment
		}
	} else {
		kind, name = ownerOf(kind, name)
	}
	return evidence.RefTo(kind, pod.Namespace, name)
}

func cutLast(name string) (before, after string, found bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// imageOf returns the image of a container, as its status resolved it.
func imageOf(pod *corev1.Pod, container string) string {
	for st := range statuses(pod) {
		if st.Name == container {
			return cmp.Or(st.Image, st.ImageID)
		}
	}
	return ""
}
