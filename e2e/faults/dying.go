// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// n2 is the node that faults act on. The manifests of such faults put their pods there.
const n2 = "n2"

// exits are processes that end by themselves, and one that somebody ends behind the kubelet's back.
func exits() []Fault {
	return []Fault{{
		Name: "app-error", About: "the application gives up with exit code 3 and an error in its log",
		So: looping(3, "Error"), Ask: "deploy/app-error", Want: []string{"DEP011"}, Least: "possible",
	}, {
		Name: "go-panic", About: "a Go program panics",
		So: looping(2, "Error"), Ask: "deploy/go-panic", Want: []string{"EXT002"}, Least: "likely",
	}, {
		Name: "exit-zero", About: "a program that completes runs under restartPolicy Always",
		So: looping(0, "Completed"), Ask: "deploy/exit-zero", Want: []string{"EXT004"},
	}, {
		Name: "recovered", About: "the container crashed three times and is ready now",
		So: all(restarted(3), ready()), Ask: "pod/recovered", Want: []string{"EXT001"},
	}, {
		Name: "init-failing", About: "the init container fails and the main container waits for it",
		So: looping(1, "Error"), Ask: "pod/init-failing", Want: []string{"EXT001"},
	}, {
		Name: "host-kill", About: "somebody on the node kills the process with SIGKILL",
		Ready: ready(), Act: lab("kill", n2, "NAMESPACE/host-kill", "app"), So: died(137, "Error"),
		Ask: "pod/host-kill", Want: []string{"EXT007"}, Least: "possible", Most: "possible", NeedsNodes: true,
	}}
}

// starts are processes that cannot be started. With runc before 1.2 only a missing file and a missing x bit are a
// StartError; the kernel's refusal of what is in the file shows as exit code 1 and a line in the log (255 since 1.2).
func starts() []Fault {
	return []Fault{{
		Name: "shell-not-found", About: "a shell does not find the command: 127",
		So: looping(127, "Error"), Ask: "pod/shell-not-found", Want: []string{"EXT003"}, Least: "likely",
	}, {
		Name: "shell-not-executable", About: "a shell may not execute the file: 126",
		So: looping(126, "Error"), Ask: "pod/shell-not-executable", Want: []string{"EXT003"}, Least: "likely",
	}, {
		Name: "command-missing", About: "the image has no such command: StartError",
		So: looping(128, "StartError"), Ask: "pod/command-missing", Want: []string{"EXT003"},
	}, {
		Name: "not-executable", About: "the command has no x bit: StartError",
		So: looping(128, "StartError"), Ask: "pod/not-executable", Want: []string{"EXT003"},
	}, {
		Name: "bad-interpreter", About: "the script's interpreter is not in the image",
		So: restarted(1), Ask: "pod/bad-interpreter", Want: []string{"EXT003"}, Least: "likely",
	}, {
		Name: "wrong-architecture", About: "the program was built for arm64",
		So: restarted(1), Ask: "pod/wrong-architecture", Want: []string{"EXT003"}, Least: "likely",
	}}
}

func memory() []Fault {
	return []Fault{{
		Name: "oom-limit", About: "the container allocates more than its memory limit of 64Mi",
		So: looping(137, "OOMKilled"), Ask: "pod/oom-limit", Want: []string{"MEM001"}, Least: "likely",
	}, {
		Name: "limit-below-init", About: "the memory limit of 1Mi is too low even to start a process",
		So: looping(128, "StartError"), Ask: "pod/limit-below-init", Want: []string{"MEM006"},
	}}
}

// probes are containers that the kubelet ends, or takes out of service, because of what their probes say.
func probes() []Fault {
	killed := func(name, about string, code int32, reason string) Fault {
		return Fault{
			Name: name, About: about, Ask: "pod/" + name, Want: []string{"PRB001"},
			So: all(looping(code, reason), event("Killing", "failed liveness probe")),
		}
	}
	many := killed("liveness-many", "the same so often that the kubelet no longer sends Events of it", 143, "Error")
	many.So, many.Least = all(many.So, restarted(9)), "likely"
	return []Fault{
		killed("liveness-grace", "the process ignores SIGTERM after a failed liveness probe: 137", 137, "Error"),
		killed("liveness-term", "the liveness probe gets HTTP status 500: 143", 143, "Error"),
		killed("liveness-zero", "the process leaves with 0 after a failed liveness probe", 0, "Completed"),
		killed("liveness-refused", "nothing listens on the port of the liveness probe", 143, "Error"),
		killed("liveness-hang", "the liveness probe gets no answer in time", 143, "Error"),
		killed("liveness-exec", "the command of the liveness probe fails", 143, "Error"),
		killed("liveness-exec-timeout", "the command of the liveness probe does not end in time", 143, "Error"),
		many,
		{
			Name: "startup-slow", About: "the process is not up when the startup probe gives up",
			So:  all(looping(143, "Error"), event("Killing", "failed startup probe")),
			Ask: "pod/startup-slow", Want: []string{"PRB002"},
		}, {
			Name: "readiness-failing", About: "the readiness probe fails and nothing restarts",
			So: all(event("Unhealthy", "Readiness probe failed"), pod(func(p *corev1.Pod) bool { return !isReady(p) }),
				anyStatus(runsFor(10*time.Second))), // the probe may fail three times, once every 2 s
			Ask: "pod/readiness-failing", Want: []string{"PRB003"},
		},
	}
}
