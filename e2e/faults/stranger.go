// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// strangers are ends with the exit code of a signal that nobody in Kubernetes ordered, and what looks like one. The API server is
// not told who sent it, so without a node's agent they are possible at most.
func strangers() []Fault {
	killed := func(name, about string, code int32) Fault {
		return Fault{
			Name: name, About: about, So: named(name, ended(code)),
			Ask: "pod/" + name, Want: []string{"EXT007"}, Least: "possible", Most: "possible",
		}
	}
	neighbour := killed("neighbour-kill", "a privileged pod kills a process of another pod", 137)
	neighbour.NeedsNodes = true
	terminated := killed("stranger-term", "somebody on the node ends the process with SIGTERM", 143)
	terminated.Ready, terminated.Act, terminated.NeedsNodes = ready(), lab("kill", n2, "NAMESPACE/stranger-term", "app", "--signal", "15"), true
	return []Fault{
		neighbour, terminated,
		killed("sibling-kill", "a container kills the process of another of its pod, with which it shares the process namespace", 137),
		killed("own-code-kill", "the program returns 137 of its own accord", 137),
		killed("own-code-term", "the program returns 143 of its own accord", 143),
	}
}

// ended tells whether a run of a container of the pod ended with that code.
func ended(code int32) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool {
		for _, st := range statuses(p) {
			for _, s := range []corev1.ContainerState{st.State, st.LastTerminationState} {
				if s.Terminated != nil && s.Terminated.ExitCode == code {
					return true
				}
			}
		}
		return false
	}
}

// runtimes are a runtime that restarts and the end of what it has beside each pod, and a container that pays for others.
func runtimes() []Fault {
	victim := Fault{
		Name: "innocent-victim", About: "all pods of the node together reach what it has for them, and one that did not grow is killed",
		Prepare: reboot("--memory", "2G", "--kubelet", `{"enforceNodeAllocatable":["pods"],"systemReserved":{"memory":"1400Mi"},"evictionHard":{"memory.available":"1Mi"}}`),
		Ready:   named("innocent-victim", isReady), Act: openGate,
		So:   named("innocent-victim", ended(137)),
		Undo: reboot("--memory", "0M", "--kubelet", "{}"),
		Ask:  "pod/innocent-victim", Want: []string{"MEM008", "MEM009", "MEM010"}, Least: "possible", NeedsNodes: true, Alone: true,
	}
	return []Fault{
		victim,
		{
			Name: "runtime-restart", About: "the runtime of the node restarts, and its containers live on", Ready: ready(),
			Act: inTurn(lab("unit", "stop", n2, "containerd"), lab("unit", "start", n2, "containerd"), linger(15*time.Second)),
			So:  all(ready(), node(corev1.ConditionTrue)), Undo: wellAfter("unit", "start", n2, "containerd"),
			Ask: "pod/runtime-restart", NeedsNodes: true, Alone: true,
		}, {
			Name: "shim-killed", About: "what the runtime has beside the pod is killed, and the containers with it", Ready: ready(),
			Act: shell("ctr -n k8s.io containers ls -q 'labels.\"io.cri-containerd.kind\"==sandbox,labels.\"io.kubernetes.pod.namespace\"==NAMESPACE' | xargs -I ID pkill -9 -f 'containerd-shim-runc-v2 .*-id ID' || true"),
			// For a moment the status says of the run that ended that it runs. Whoever asks then is told that nobody tells how it ended.
			So: all(ready(), restarted(1)), Ask: "pod/shim-killed", Want: []string{"SBX008", "EXT008", "EXT007", "EXT028"}, Least: "possible", NeedsNodes: true,
		},
	}
}

// linger lets time pass, for what follows from something that nothing shows.
func linger(d time.Duration) Action {
	return func(ctx context.Context, _ Cluster) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
}
