// SPDX-License-Identifier: Apache-2.0

// Package exit holds the rules about how a process ended: by its own doing, in answer to an order, by a stranger's
// signal, or unseen. For each end exactly one of them fires; who gave the order is for other families to say. Of an end by
// its own doing the class, which endOf finds in one place, says which rule speaks: one whose remedy fits the process' last
// words, else the general one.
package exit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	ApplicationError,
	GoPanic,
	NotRunnable,
	CompletedUnderAlways,
	GraceExpired,
	Sigterm,
	ForeignSignal,
	EndUnseen,
	FatalSignal,
	MissingSetting,
	BadConfig,
	PortTaken,
	FileDenied,
	Forbidden,
	Exception,
	LeaseGone,
	TooManyFiles,
	WatchesExhausted,
	NoThreads,
	WrongArguments,
	Reloaded,
	ChildEnded,
	Hung,
	LastWords,
	OwnAccord,
	RuntimeOrder,
	BetweenLooks,
	EndUntold,
}

// orders are the effects by which a container is ordered to stop, or stopped.
var orders = []diagnosis.Effect{
	diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.HookFailed, diagnosis.PodDeleted, diagnosis.Evicted,
	diagnosis.NodeRestarted, diagnosis.RuntimeFailed, diagnosis.SandboxFailed, diagnosis.ConfigChanged, diagnosis.StuckTerminating,
	diagnosis.DeadlinePassed, diagnosis.RestartIntended,
}

// unseen tells whether nobody saw the end: the runtime's reason is Unknown where it lost its shim (containerd reports
// exit code 255 then), the kubelet's is ContainerStatusUnknown where the runtime lost the container.
func unseen(a evidence.Attempt) bool {
	return slices.Contains([]string{"Unknown", "ContainerStatusUnknown", "RestartingAllContainers"}, a.Reason)
}

// unrunnable tells whether the container was created and its process could not be run at all.
func unrunnable(a evidence.Attempt) bool {
	return slices.Contains([]string{"StartError", "ContainerCannotRun"}, a.Reason)
}

// madeUp tells whether the exit code is not the process' own: nobody saw the end, or it never ran.
func madeUp(a evidence.Attempt) bool { return unseen(a) || unrunnable(a) }

// byItself tells whether an attempt whose end was seen ended by its own doing, as far as its exit code can tell: with an
// error, and not by SIGKILL or SIGTERM.
func byItself(a evidence.Attempt) bool {
	return !slices.Contains([]int{0, 137, 143}, a.ExitCode)
}

// podEnded tells whether the pod had been evicted, or its deletion asked for, when the attempt ended: the end is the
// kubelet's doing then, or comes with it, whether its order was recorded or not.
func podEnded(p *diagnosis.Pass, a evidence.Attempt) bool {
	meta := p.PodMeta()
	if meta.DeletionTimestamp != nil {
		grace := time.Duration(*cmp.Or(meta.DeletionGracePeriodSeconds, new(int64))) * time.Second
		return !a.Finished.Before(meta.DeletionTimestamp.Add(-grace - 2*time.Second)) // whole seconds, two clocks
	}
	return p.PodStatus().Reason == "Evicted" && a.Of.Attempt == int(p.Status().RestartCount)
}

// withPod reports an end by a signal for which no order was recorded, where the end of the pod accounts for it.
func withPod(p *diagnosis.Pass, a evidence.Attempt) {
	if podEnded(p, a) && !madeUp(a) {
		p.Report(diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Likely, Facts: []evidence.Fact{a.Fact(), citePodEnd(p)},
			Message: fmt.Sprintf("%s ended with exit code %d when its pod was ended; the order was not recorded", who(a), a.ExitCode),
		})
	}
}

// citePodEnd cites by what podEnded knows it.
func citePodEnd(p *diagnosis.Pass) evidence.Fact {
	f := evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About().Object(), Where: "status.reason", Text: "reason " + p.PodStatus().Reason}
	if due := p.PodMeta().DeletionTimestamp; due != nil {
		f.Where, f.Text = "metadata.deletionTimestamp", "deletionTimestamp "+due.UTC().Format(time.RFC3339)
	}
	return f
}

// specOf returns the pass's container as the spec has it, an empty one where it does not.
func specOf(p *diagnosis.Pass) *corev1.Container { return cmp.Or(p.Spec(), &corev1.Container{}) }

// who names the container, and says so where it is an init container or a sidecar.
func who(a evidence.Attempt) string {
	switch {
	case a.Sidecar:
		return "sidecar container " + a.Of.Container
	case a.Init:
		return "init container " + a.Of.Container
	}
	return "container " + a.Of.Container
}

// gist returns the line of a termination message that says most, "" for an empty one. A message can be the end of a log: that is what the
// kubelet makes of it with the policy FallbackToLogsOnError.
func gist(message string) string {
	if block, found := signature.Find(message); found {
		return block.Headline
	}
	message = strings.TrimSpace(message)
	return message[strings.LastIndexAny(message, "\r\n")+1:]
}

// blockFacts returns the lines of an error block as facts, at most n, headline first.
func blockFacts(a evidence.Attempt, b signature.Block, n int) []evidence.Fact {
	var facts []evidence.Fact
	for _, line := range b.Lines {
		if len(facts) < n && line != "" {
			facts = append(facts, a.LineFact(line, b.At))
		}
	}
	return facts
}

// logCommand is how a person reads the log of the attempt.
func logCommand(a evidence.Attempt, current int) string {
	if a.Of.Attempt < current-1 { // kubectl shows no log of older ones
		return ""
	}
	command := fmt.Sprintf("kubectl -n %s logs %s -c %s", a.Of.Namespace, a.Of.Name, a.Of.Container)
	if a.Of.Attempt != current {
		command += " --previous"
	}
	return command
}
