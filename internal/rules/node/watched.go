// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Watched recognises what a watcher on the node has written into Events about it.
var Watched = &diagnosis.Rule{
	ID:    "NOD024",
	Title: "A watcher on the node reports trouble in an Event",
	Doc: `
A program that watches the node's log, such as node-problem-detector, has written an Event about the node: a task that hangs in the kernel, a fault of the kernel, errors of a disk or a file system, a network device that
cannot be removed, memory that fails, a damaged image store. It quotes the line of the log that it saw. The kubelet may call the node ready all the while.

**How it is told from its look-alikes.** By the Event's reason and by who reports it, of which the last was within a quarter of an hour, or about when a container on the node ended. That a service was started, that a condition
is well again, a warning of a file system or an error that the memory has corrected is its daily news. Where the kernel's own record is known, that counts instead; where the watcher has set a condition of the node, that does (NOD008). Anyone who may write Events can write this one, so it is likely at most.

**What to do.** Look at the node's own log of that time; drain the node where kernel, disk or memory are at fault.

The reasons are those of node-problem-detector (config/*.json).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Events,
	Also:   evidence.Node | evidence.Host | evidence.Spec | evidence.Status,
	Effect: diagnosis.KernelFailed,
	Run: func(p *diagnosis.Pass) {
		for reason := range slices.Values(watchedReasons) {
			e, ok := lastSeen(p, reason.name)
			if !ok || len(heard(p, reason.records...)) > 0 {
				continue
			}
			f := diagnosis.Finding{
				At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact()},
				Message: fmt.Sprintf("%s: %s, as %s saw in its log (%s)", nodeName(p), reason.means, e.Reporter, strings.TrimRight(quoted(e.Message), ".")),
				Fixes: []diagnosis.Fix{
					{Title: "Look at the node's own log of that time", Command: "journalctl -k -p warning -n 100 --no-pager"},
					{Title: "Drain " + nodeName(p) + " if kernel, disk or memory are at fault", Risk: diagnosis.Evict, Command: "kubectl drain " + p.About().Name + " --ignore-daemonsets --delete-emptydir-data"},
				},
			}
			if ready, _ := p.CiteNodeCondition(corev1.NodeReady); !strings.HasPrefix(ready.Text, "status True") && ready.Text != "" {
				f.Facts = append(f.Facts, ready)
			}
			p.Report(f)
		}
	},
}

// watchedReasons are what the watcher's Events say, and the sorts of record that the kernel's own log would have.
var watchedReasons = []struct {
	name, means string
	records     []string
}{
	{"TaskHung", "a task hangs in the kernel", []string{"hung-task"}},
	{"DockerHung", "docker hangs in the kernel", []string{"hung-task"}},
	{"AUFSUmountHung", "a file system cannot be unmounted", []string{"hung-task"}},
	{"KernelOops", "the kernel had a fault of its own", []string{"kernel-oops"}},
	{"UnregisterNetDevice", "a network device cannot be removed", []string{"netdev-leak"}},
	{"Ext4Error", "a file system has errors", []string{"fs-error", "fs-readonly"}},
	{"FilesystemIsReadOnly", "a file system was made read-only", []string{"fs-readonly"}},
	{"XfsHasShutDown", "an XFS file system was shut down", []string{"fs-error"}},
	{"IOError", "a disk fails to read or write", []string{"io-error"}},
	{"MemoryReadError", "memory fails to be read", []string{"mce"}},
	{"CperHardwareErrorFatal", "the hardware has a fatal error", []string{"mce"}},
	{"CorruptDockerImage", "the image store of its runtime is damaged", []string{"overlay-corrupt"}},
	{"CorruptDockerOverlay2", "the image store of its runtime is damaged", []string{"overlay-corrupt"}},
	{"DockerContainerStartupFailure", "its runtime fails to start containers", nil},
}

// lastSeen returns the newest Event about the node with that reason, if a watcher wrote it and it bears on what is wrong now. None
// where the watcher has a condition for the same.
func lastSeen(p *diagnosis.Pass, reason string) (evidence.Event, bool) {
	for _, e := range slices.Backward(p.NodeEvents(reason)) {
		if isWatcher(e.Reporter) && (p.Now().Sub(e.Last) <= lately || endsNear(p, e.Last)) {
			return e, !hasCondition(p.Node(), reason)
		}
	}
	return evidence.Event{}, false
}

// isWatcher tells whether a reporter is one that watches logs: node-problem-detector names its Events after its monitors.
func isWatcher(name string) bool {
	return strings.HasSuffix(name, "-monitor") || holds(name, "node-problem-detector", "health-checker", "abrt")
}

// hasCondition tells whether a condition of the node is bad for that reason.
func hasCondition(node *corev1.Node, reason string) bool {
	return node != nil && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Reason == reason })
}

// beside is how near the end of a container what happened to the node bears on it.
const beside = 2 * time.Minute

// endsNear tells whether a container on the node ended about then, and not as it should.
func endsNear(p *diagnosis.Pass, at time.Time) bool {
	for _, pod := range podsOn(p) {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if a.Expected == "" && !a.Finished.IsZero() && a.Finished.Sub(at).Abs() <= beside {
				return true
			}
		}
	}
	return false
}

// quoted is the first line that an Event quotes.
func quoted(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return line
}
