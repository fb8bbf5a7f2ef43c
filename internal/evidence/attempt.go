// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// An Attempt is one run of one container. Attempts come from the pod status (the last one or two), from the
// runtime through the agent (all that are kept), and from history (all that were captured).
type Attempt struct {
	Of                Ref       // the number counts from 0 and is the restart count that the run had
	Started, Finished time.Time // whole seconds where only the status tells; Started is zero where it never started, Finished while it runs
	ExitCode, Signal  int       // Signal is exit code - 128 where that is a signal, else 0
	Reason, Message   string    // as the runtime and the kubelet report them
	Init, Sidecar     bool      // a sidecar is an init container with restartPolicy Always
	Where             string    // the field path of the status it was read from; "runtime" where an agent told of it
	Expected          string    // why this end needs no explaining; empty when it does or while it runs
	Log               Log       // zero when there is none; a Gap says why
}

// A Log is what could be read of the log of one attempt. Lines may begin with the runtime's RFC 3339 time stamp.
type Log struct {
	Of      Ref
	Text    string
	Missing string // what is not in Text: "everything before the last 256 KiB"; empty when whole
	Masked  int    // number of spans that redaction masked
}

// Ended tells whether the attempt is over.
func (a Attempt) Ended() bool { return !a.Finished.IsZero() || a.Reason != "" }

// Fact returns the end of the attempt as an observation, in the words of the pod status.
func (a Attempt) Fact() Fact {
	text := fmt.Sprintf("exitCode %d, reason %s", a.ExitCode, a.Reason)
	if a.Reason == "" {
		text = fmt.Sprintf("exitCode %d", a.ExitCode)
	}
	if !a.Finished.IsZero() {
		text += ", finishedAt " + a.Finished.UTC().Format(time.RFC3339)
	}
	if a.Message != "" {
		text += ", message " + cut(a.Message)
	}
	if a.Where == FromRuntime.String() {
		return Fact{Kind: Host, Source: FromRuntime, About: a.Of, At: a.Finished, Where: a.Where, Text: text}
	}
	return Fact{Kind: Status, Source: FromStatus, About: a.Of, At: a.Finished, Where: a.Where, Text: text}
}

// cut shortens a termination message, which may hold 4 KiB of log, to what a reader takes in.
func cut(message string) string {
	const most = 400
	message = strings.TrimSpace(message)
	return strings.ToValidUTF8(message[:min(len(message), most)], "")
}

// LineFact returns one line of the attempt's log as an observation. At is zero when the line has no time.
func (a Attempt) LineFact(line string, at time.Time) Fact {
	return Fact{Kind: Logs, Source: FromLog, About: a.Of, At: at, Where: "log", Text: line}
}

// lostStatus is the reason of an attempt whose end nobody saw. The kubelet writes it with a made-up exit code of 137
// and counts the restart already, though the next run has not begun (kubernetes pkg/kubelet/kubelet_pods.go,
// convertToAPIContainerStatuses).
const lostStatus = "ContainerStatusUnknown"

// attemptsOf reads the attempts that a pod's status tells of, oldest first within a container.
func attemptsOf(pod *corev1.Pod) []Attempt {
	var all []Attempt
	read := func(list string, statuses []corev1.ContainerStatus, init bool) {
		for i := range statuses {
			_, sidecar := inits(pod, statuses[i].Name)
			for _, a := range attemptsIn(RefOf(pod).InContainer(statuses[i].Name), list, &statuses[i]) {
				a.Init, a.Sidecar = init, sidecar
				all = append(all, a)
			}
		}
	}
	read("initContainerStatuses", pod.Status.InitContainerStatuses, true)
	read("containerStatuses", pod.Status.ContainerStatuses, false)
	read("ephemeralContainerStatuses", pod.Status.EphemeralContainerStatuses, false)
	return all
}

// inits tells whether a container is an init container, and whether as such a sidecar.
func inits(pod *corev1.Pod, name string) (init, sidecar bool) {
	i := slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return false, false
	}
	policy := pod.Spec.InitContainers[i].RestartPolicy
	return true, policy != nil && *policy == corev1.ContainerRestartPolicyAlways
}

// LastRun returns the number of the run that lastState is of. While the container waits, the kubelet has moved the end of
// the newest run from state to lastState, so that is run restartCount; otherwise it is the one before.
func LastRun(st *corev1.ContainerStatus) int {
	if t := st.LastTerminationState.Terminated; st.State.Waiting != nil && (t == nil || t.Reason != lostStatus) {
		return int(st.RestartCount)
	}
	return max(int(st.RestartCount)-1, 0)
}

// attemptsIn numbers the runs in one container's status.
func attemptsIn(of Ref, list string, st *corev1.ContainerStatus) []Attempt {
	n := int(st.RestartCount)
	path := "status." + list + "[" + of.Container + "]."
	var found []Attempt
	if t := st.LastTerminationState.Terminated; t != nil {
		found = append(found, ended(of.InAttempt(LastRun(st)), path+"lastState.terminated", t))
	}
	switch {
	case st.State.Terminated != nil:
		found = append(found, ended(of.InAttempt(n), path+"state.terminated", st.State.Terminated))
	case st.State.Running != nil:
		found = append(found, Attempt{Of: of.InAttempt(n), Started: st.State.Running.StartedAt.Time, Where: path + "state.running"})
	}
	return found
}

func ended(of Ref, where string, t *corev1.ContainerStateTerminated) Attempt {
	a := Attempt{
		Of: of, Where: where, ExitCode: int(t.ExitCode), Signal: int(t.Signal),
		Started: t.StartedAt.Time, Finished: t.FinishedAt.Time, Reason: t.Reason, Message: t.Message,
	}
	for _, t := range []*time.Time{&a.Started, &a.Finished} {
		if t.Unix() <= 0 { // the kubelet writes 1970 where a container was created and never started
			*t = time.Time{}
		}
	}
	if a.Signal == 0 && a.ExitCode > 128 && a.ExitCode <= 128+64 {
		a.Signal = a.ExitCode - 128
	}
	return a
}
