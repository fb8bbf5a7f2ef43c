// SPDX-License-Identifier: Apache-2.0

package create

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A refusal is what runtime or kubelet said when they did not create or start a container.
type refusal struct {
	text   string
	sure   diagnosis.Confidence
	about  evidence.Ref // the attempt, where it left one
	made   bool         // the container was made, and its process could not be run
	at     time.Time
	facts  []evidence.Fact
	reason string // it waits for now
}

// reasons are those of a container that has its image and cannot be made or started (kubernetes
// pkg/kubelet/kuberuntime/kuberuntime_container.go and pkg/kubelet/container/sync_result.go).
var reasons = []string{"CreateContainerError", "CreateContainerConfigError", "RunContainerError", "PreCreateHookError", "PreStartHookError"}

// refused returns why the pass's container is not created or not started: as it waits for it now, or as its newest run
// that could not begin has it. Where the status gives no words, the Event of the try has them.
func refused(p *diagnosis.Pass) (refusal, bool) {
	var r refusal
	st := p.Status()
	if st == nil {
		return r, false
	}
	if w := st.State.Waiting; w != nil && slices.Contains(reasons, w.Reason) {
		waiting, _ := p.CiteWaiting()
		r = refusal{text: w.Message, about: p.About(), sure: diagnosis.Certain, facts: []evidence.Fact{waiting}, reason: w.Reason}
	}
	for _, a := range slices.Backward(p.Attempts()) {
		if !a.Ended() || a.Expected != "" {
			continue
		}
		if a.Reason == "StartError" || a.Reason == "ContainerCannotRun" {
			r.about, r.at, r.sure, r.made = a.Of, a.Finished, diagnosis.Certain, true
			r.facts, r.text = append(r.facts, a.Fact()), cmp.Or(a.Message, r.text)
		}
		break
	}
	if len(r.facts) > 0 && r.text == "" {
		r.fromEvents(p)
	}
	if r.at.IsZero() {
		r.at = began(p)
	}
	return r, len(r.facts) > 0
}

// fromEvents reads what the newest Event about a failed try says, where the status repeats none of it.
func (r *refusal) fromEvents(p *diagnosis.Pass) {
	for _, e := range slices.Backward(tries(p)) {
		if text := strings.TrimPrefix(e.Message, "Error: "); !slices.Contains(reasons, text) {
			r.text, r.sure = text, diagnosis.Likely
			r.facts = append(r.facts, e.Fact())
			return
		}
	}
}

// tries returns the Events about tries to make the container that failed. Those about its image have the same reason.
func tries(p *diagnosis.Pass) []evidence.Event {
	return slices.DeleteFunc(p.Events("Failed"), func(e evidence.Event) bool {
		return !strings.HasPrefix(e.Message, "Error: ") || ofImage.MatchString(e.Message)
	})
}

// ofImage are the kubelet's words for a pull that failed: ErrImagePull, ImagePullBackOff and their like (kubernetes
// pkg/kubelet/images/types.go).
var ofImage = regex.New(`^Error: \w*Image\w*$`)

// began is when the kubelet first failed to make the container; without Events, when the node took the pod.
func began(p *diagnosis.Pass) time.Time {
	for _, e := range tries(p) {
		return e.First
	}
	if start := p.PodStatus().StartTime; start != nil {
		return start.Time
	}
	return time.Time{}
}

// step says how far the container got.
func (r *refusal) step() string {
	if r.made || r.reason == "RunContainerError" {
		return "started"
	}
	return "created"
}

func (r *refusal) report(p *diagnosis.Pass, message string, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{About: r.about, At: r.at, Confidence: r.sure, Message: message, Facts: r.facts, Fixes: fixes})
}

// on returns the run of a rule about containers that were refused for one trouble. What the kubelet could not configure
// is another family's matter, but for a mount that it knows the node cannot make.
func on(why trouble, say func(*diagnosis.Pass, *refusal) (message string, fixes []diagnosis.Fix)) func(*diagnosis.Pass) {
	return onAny(func(r *refusal) bool {
		return (r.reason != "CreateContainerConfigError" || why == readOnly) && classify(r.text) == why
	}, say)
}

// onAny returns the run of a rule about containers whose refusal is so; a container that is not refused has one without words.
func onAny(so func(*refusal) bool, say func(*diagnosis.Pass, *refusal) (message string, fixes []diagnosis.Fix)) func(*diagnosis.Pass) {
	return func(p *diagnosis.Pass) {
		if r, _ := refused(p); so(&r) {
			message, fixes := say(p, &r)
			r.report(p, message, fixes...)
		}
	}
}
