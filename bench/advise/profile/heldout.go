// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"embed"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/evidence"
)

//go:embed testdata
var recordings embed.FS

// Recordings are those that are kept: each is of starts in the lab, by e2e's TestStarts.
func Recordings() ([]Recording, error) {
	files, err := recordings.ReadDir("testdata")
	var all []Recording
	for _, f := range files {
		if path.Ext(f.Name()) != ".jsonl" {
			continue
		}
		file, err := recordings.Open("testdata/" + f.Name())
		if err != nil {
			return nil, err
		}
		r, err := ReadRecording(file)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, err
}

// Present are the probes that its attempts lived under.
func (r *Recording) Present() probe.Probes {
	return probe.Of(&corev1.Container{StartupProbe: r.Startup, LivenessProbe: r.Liveness, ReadinessProbe: r.Ready})
}

// Halves parts the attempts: every other one of those of which it is known how long they took, of those that ended, and of those that had
// just begun, is in each half. Truth is how the attempts
// were by what they say themselves; their pauses are those that the evidence tells of, at their longest.
func (r *Recording) Halves() (starts [2][]probe.Start, truth [2][]probe.Course) {
	var n [3]int // that ended, that are known and that had just begun, so far
	for _, a := range r.Attempts {
		sort := 2
		switch {
		case a.Ended:
			sort = 0
		case a.known():
			sort = 1
		}
		half := n[sort] % 2
		n[sort]++
		s := a.start(r.Name, r.Present())
		listens := time.Duration(a.Listens)
		starts[half] = append(starts[half], s)
		truth[half] = append(truth[half], probe.Course{Lives: listens, Ready: listens, Mute: s.Pauses})
	}
	return starts, truth
}

func (a *Attempt) start(name string, present probe.Probes) probe.Start {
	s := probe.Start{
		Of: evidence.RefTo("Pod", name, a.Pod).InContainer("app").InAttempt(a.Number), Pod: a.Pod, Probes: present, Began: a.Began,
		Lives: time.Duration(a.Lives), Ready: time.Duration(a.Ready), Lived: time.Duration(a.Lived), Ended: a.Ended, By: a.By,
		Silent: a.Silent, Throttled: a.Throttled,
	}
	for _, p := range a.Pauses {
		s.Pauses = append(s.Pauses, probe.Span{From: time.Duration(p[0]), To: time.Duration(p[1])})
	}
	return s
}
