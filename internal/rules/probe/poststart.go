// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PostStart recognises a container that the kubelet ended because its postStart hook failed.
var PostStart = &diagnosis.Rule{
	ID:    "PRB005",
	Title: "Killed because its postStart hook failed",
	Doc: `
The container's process started and may have been well, its postStart hook returned an error, and for that the kubelet ended
the container. It is started anew, the hook fails again, and so on: a crash loop in which the program has no part. The hook runs
at the same time as the program, so what it talks to may not listen yet.

**How it is told from its look-alikes.** The kubelet's Killing Event says FailedPostStartHook, or the waiting reason is
PostStartHookError, or a FailedPostStartHook Event lies within the life of the attempt; the exit code is that of SIGTERM or
SIGKILL. A program that ends by itself while its hook runs may make the hook fail as well: then there is no such order, and
its exit code is its own.

**What to do.** Run the hook's command in the container by hand. Make it wait for what it needs, and return 0 where its failure is no
reason to kill. What belongs before the program starts is better in an init container.

Kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer); until 1.25 the Event held the hook's output.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Spec | evidence.Events,
	Effect:   diagnosis.HookFailed,
	CausedBy: []diagnosis.Effect{diagnosis.DependencyDown, diagnosis.NetworkFailed, diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.Throttled},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		order, ordered := p.Order()
		said, failed := hookEvent(p, a)
		waits, _ := p.CiteWaiting()
		isWaiting := strings.HasPrefix(waits.Text, "reason PostStartHookError") && a.Of.Attempt == int(p.Status().RestartCount)
		byHook := order.By == evidence.ByPostStart
		signalled := a.ExitCode == 137 || a.ExitCode == 143 || a.ExitCode == 0
		if !byHook && (ordered || !signalled || !failed && !isWaiting) {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished.Add(-time.Second), Confidence: diagnosis.Likely,
			Message: fmt.Sprintf("container %s was ended by the kubelet because its postStart hook failed", a.Of.Container),
		}
		if byHook {
			f.At, f.Confidence, f.Facts = order.Event.Last, diagnosis.Certain, append(f.Facts, order.Event.Fact())
		}
		if failed {
			f.Facts = append(f.Facts, said.Fact())
		}
		if isWaiting {
			f.Confidence, f.Facts = diagnosis.Certain, append(f.Facts, waits)
		}
		if hook := postStart(p); hook != nil {
			f.Message += " (" + asks(hook) + ")"
			f.Facts = append(f.Facts, citeHook(p, "postStart", hook))
		}
		f.Facts = append(f.Facts, a.Fact())
		f.Fixes = []diagnosis.Fix{hookFix(p, "postStart", "its program runs already when the hook does")}
		p.Report(f)
	},
}

// hookEvent returns the newest Event about a failed postStart hook within the life of the attempt.
func hookEvent(p *diagnosis.Pass, a evidence.Attempt) (evidence.Event, bool) {
	var newest evidence.Event
	for _, e := range p.Events("FailedPostStartHook") {
		if !e.First.After(a.Finished.Add(2*time.Second)) && !e.Last.Before(a.Started.Truncate(time.Second)) { // an Event has whole seconds
			newest = e
		}
	}
	return newest, newest.Reason != ""
}

func postStart(p *diagnosis.Pass) *corev1.LifecycleHandler {
	if c := p.Spec(); c != nil && c.Lifecycle != nil {
		return c.Lifecycle.PostStart
	}
	return nil
}

// asks says what a hook does.
func asks(h *corev1.LifecycleHandler) string {
	switch {
	case h.Exec != nil:
		return "command " + strings.Join(h.Exec.Command, " ")
	case h.HTTPGet != nil:
		return fmt.Sprintf("GET %s on port %s", h.HTTPGet.Path, h.HTTPGet.Port.String())
	case h.Sleep != nil:
		return fmt.Sprintf("sleep %d", h.Sleep.Seconds)
	}
	return "hook"
}

// citeHook makes a fact of what a hook does.
func citeHook(p *diagnosis.Pass, name string, h *corev1.LifecycleHandler) evidence.Fact {
	path := "lifecycle." + name
	if h.Sleep != nil {
		return p.CiteSpec(path+".sleep.seconds", h.Sleep.Seconds)
	}
	return cite(p, path, corev1.ProbeHandler{Exec: h.Exec, HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket})
}

// hookFix is to run the hook by hand.
func hookFix(p *diagnosis.Pass, hook, why string) diagnosis.Fix {
	return diagnosis.Fix{
		Title:   fmt.Sprintf("Run what the %s hook of %s runs by hand, and mend it: %s", hook, p.About().Container, why),
		Command: fmt.Sprintf("kubectl -n %s get %s -o jsonpath='{.spec.containers[?(@.name==\"%s\")].lifecycle}'", p.About().Namespace, p.About().Object(), p.About().Container),
	}
}
