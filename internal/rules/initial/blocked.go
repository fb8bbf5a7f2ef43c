// SPDX-License-Identifier: Apache-2.0

package initial

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// Blocked recognises a pod whose main containers wait for an init container.
var Blocked = &diagnosis.Rule{
	ID:    "INI001",
	Title: "Pod is held up by an init container",
	Doc: `
Init containers run one after the other, and each must complete before the next; the main containers wait with
PodInitializing until all have. One of them fails, cannot be started, or does not end, so the pod never gets further. A
native sidecar (restartPolicy Always) holds the rest up until it has started.

**How it is told from its look-alikes.** A main container waits with PodInitializing, and this init container has
failed, waits for another reason, or has run for more than 5 minutes. PodInitializing alone is no
fault: it is how every pod with init containers begins. Why the init container fails is another finding's to say (its
exit, its image, its configuration), and this one hangs below it. One that only runs for long is likely to wait for
something that does not come, but may be doing long work: that finding is possible, and likely after 10 minutes or if
its log says what it waits for.

**What to do.** Read the log of the init container, not that of the main one, which has none. A waiting loop names what
it waits for: a Service, a database, a DNS name.

PodInitializing and the order of init containers are in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go;
recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Logs,
	Effect: diagnosis.InitBlocked,
	CausedBy: []diagnosis.Effect{
		diagnosis.ProcessFailed, diagnosis.OutOfMemory, diagnosis.NotStarted, diagnosis.Killed, diagnosis.Terminated, diagnosis.EndLost,
		diagnosis.ImageUnavailable, diagnosis.ConfigMissing, diagnosis.VolumeFailed, diagnosis.SandboxFailed,
		diagnosis.DependencyDown, diagnosis.NameUnresolved, diagnosis.NetworkFailed, diagnosis.NodeLost,
	},
	Run: func(p *diagnosis.Pass) {
		waits, ok := mainWaits(p)
		st := p.Status()
		if !ok || st == nil || !isInit(p) || st.Started != nil && *st.Started && sidecar(p.Spec()) {
			return
		}
		state, sure, what := trouble(p, st)
		if sure == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			At: p.Now(), Confidence: sure, Facts: append(state, waits),
			Message: fmt.Sprintf("pod %s cannot start: init container %s %s", p.About().Name, p.About().Container, what),
			Fixes:   readLog(p, st),
		})
	},
}

// hangs and longHangs are how long an init container may run before it is taken to wait in vain: when helm gives up on a
// release (--timeout, 5 min) and when a Deployment counts as failed (progressDeadlineSeconds, 10 min).
const (
	hangs     = 5 * time.Minute
	longHangs = 10 * time.Minute
)

// trouble says what the init container does instead of completing, and how sure that is; 0 when it gets on.
func trouble(p *diagnosis.Pass, st *corev1.ContainerStatus) (facts []evidence.Fact, sure diagnosis.Confidence, what string) {
	if t := st.State.Terminated; t != nil && t.ExitCode == 0 {
		return nil, 0, ""
	}
	for _, a := range p.Attempts() {
		if a.Ended() && a.Expected == "" {
			facts = []evidence.Fact{a.Fact()}
			what = fmt.Sprintf("fails with exit code %d", a.ExitCode)
		}
	}
	if w := st.State.Waiting; w != nil && w.Reason != "" && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
		reason, _ := p.CiteWaiting()
		if what == "" {
			what = fmt.Sprintf("cannot be started (%s)", w.Reason)
		}
		return append(facts, reason), diagnosis.Certain, what
	}
	if len(facts) > 0 {
		return facts, diagnosis.Certain, what
	}
	if r := st.State.Running; r != nil {
		ran := p.Now().Sub(r.StartedAt.Time)
		facts = []evidence.Fact{{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: r.StartedAt.UTC(),
			Where: "status.initContainerStatuses[" + st.Name + "].state.running", Text: "startedAt " + r.StartedAt.UTC().Format(time.RFC3339),
		}}
		what = fmt.Sprintf("has been running for %s without completing", ran.Round(time.Second))
		if line := waitsFor(p.Log()); ran > hangs && line != "" {
			facts = append(facts, evidence.Fact{Kind: evidence.Logs, Source: evidence.FromLog, About: p.About(), Where: "log", Text: line})
			return facts, diagnosis.Likely, what + fmt.Sprintf(", and says %q", short(line))
		}
		switch {
		case ran > longHangs:
			return facts, diagnosis.Likely, what
		case ran > hangs:
			return facts, diagnosis.Possible, what
		}
	}
	return nil, 0, ""
}

// waiting is how a loop that waits for something speaks: in its own words, or in those of the tool that fails in it.
var waiting = regex.New(`(?i)waiting|not (yet )?(ready|available|up)|retry|bad address|could not resolve|can't resolve|no such host|name or service not known|connection refused|timed out`)

// waitsFor returns the log's last line, without its time, where it says that the container waits.
func waitsFor(log evidence.Log) string {
	lines := strings.Split(strings.TrimRight(log.Text, "\r\n"), "\n")
	_, last := signature.Parse(lines[len(lines)-1])
	if !waiting.MatchString(last) {
		return ""
	}
	return last
}

// short cuts a line to what a sentence takes in.
func short(line string) string {
	const most = 160
	line = strings.TrimSpace(line)
	return strings.ToValidUTF8(line[:min(len(line), most)], "")
}

// readLog proposes to read the log where there is one: not of a container that never ran.
func readLog(p *diagnosis.Pass, st *corev1.ContainerStatus) []diagnosis.Fix {
	if len(p.Attempts()) == 0 {
		return nil
	}
	command := fmt.Sprintf("kubectl logs -n %s %s -c %s", p.About().Namespace, p.About().Name, p.About().Container)
	if st.State.Terminated == nil && st.LastTerminationState.Terminated != nil { // of one that has ended, the log is the newest
		command += " --previous"
	}
	return []diagnosis.Fix{{
		Title:   fmt.Sprintf("Read the log of init container %s and remedy what keeps it from completing", p.About().Container),
		Command: command,
	}}
}

// mainWaits cites a main container that waits for the init containers.
func mainWaits(p *diagnosis.Pass) (evidence.Fact, bool) {
	for _, st := range p.PodStatus().ContainerStatuses {
		if w := st.State.Waiting; w != nil && w.Reason == "PodInitializing" {
			return evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About().Object().InContainer(st.Name),
				Where: "status.containerStatuses[" + st.Name + "].state.waiting", Text: "reason " + w.Reason,
			}, true
		}
	}
	return evidence.Fact{}, false
}

func isInit(p *diagnosis.Pass) bool {
	for _, c := range p.PodSpec().InitContainers {
		if c.Name == p.About().Container {
			return true
		}
	}
	return false
}

func sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
