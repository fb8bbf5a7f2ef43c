// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// process are programs that end by themselves and say why, kills for memory of every sort, and dependencies that cannot be
// used.
func process() []Fault { return slices.Concat(faulted(), gaveUp(), memories(), dependencies()) }

// ends is a fault that is a container which ends again and again with that code.
func ends(ask, about string, code int32, want, least string) Fault {
	reason := "Error"
	if code == 0 {
		reason = "Completed"
	}
	_, name, _ := strings.Cut(ask, "/")
	return Fault{Name: name, About: about, So: looping(code, reason), Ask: ask, Want: []string{want}, Least: least}
}

// faulted are processes that the kernel ends with a signal for a fault of their own.
func faulted() []Fault {
	return []Fault{
		ends("deploy/segfault", "the program reads memory that is not its own: 139", 139, "EXT009", ""),
		ends("pod/fault-abort", "the program aborts: 134", 134, "EXT009", ""),
		ends("pod/fault-bus", "a bus error: 135", 135, "EXT009", ""),
		ends("pod/fault-arithmetic", "an arithmetic fault: 136", 136, "EXT009", ""),
		ends("pod/fault-instruction", "an illegal instruction: 132", 132, "EXT009", ""),
		{
			Name: "fault-one-node", About: "an illegal instruction on one node of two", So: someStatus(func(st corev1.ContainerStatus) bool { return terminated(132, "Error")(st) && st.RestartCount > 0 }),
			Ask: "deploy/fault-one-node", Want: []string{"EXT009"}, NeedsNodes: true,
		},
		ends("pod/fault-pipe", "a broken pipe: 141", 141, "EXT009", ""),
		ends("pod/fault-interrupt", "an interrupt: 130", 130, "EXT009", "likely"),
	}
}

// gaveUp are programs that end and say why.
func gaveUp() []Fault {
	return []Fault{
		ends("deploy/env-missing", "a shell does not find a variable", 2, "EXT010", "likely"),
		ends("deploy/env-missing-zero", "a program misses a variable and ends with 0", 0, "EXT010", "likely"),
		ends("deploy/env-set", "a program complains about a variable that is set", 1, "EXT001", ""),
		ends("deploy/env-keyerror", "a Python program misses a variable", 1, "EXT010", "likely"),
		ends("deploy/config-unparsable", "the configuration does not parse", 1, "EXT011", "likely"),
		ends("deploy/config-file-missing", "the file of the configuration is not there", 1, "EXT011", "likely"),
		ends("pod/port-taken", "two containers of a pod listen on one port", 1, "EXT012", "likely"),
		ends("pod/port-taken-node", "the port is taken on the node", 1, "EXT012", "likely"),
		ends("deploy/root-read-only", "the program writes to a read-only root file system", 1, "EXT013", "likely"),
		ends("deploy/file-denied", "the program may not write as the user that it is", 1, "EXT013", "likely"),
		ends("deploy/refuses-root", "the program refuses to be root", 1, "EXT013", "likely"),
		ends("deploy/api-forbidden", "the service account may not list nodes", 1, "EXT014", "likely"),
		ends("deploy/api-forbidden-namespace", "the service account may not read a ConfigMap", 1, "EXT014", "likely"),
		ends("deploy/python-exception", "a Python exception that nothing catches", 1, "EXT015", "likely"),
		ends("deploy/java-exception", "a Java exception that nothing catches", 1, "EXT015", "likely"),
		ends("deploy/leader-lost", "a controller loses its lease", 1, "EXT016", "likely"),
		ends("deploy/files-exhausted", "the process may open no more files", 1, "EXT017", "likely"),
		ends("deploy/watches-exhausted", "the node has no inotify instances left", 1, "EXT018", "likely"),
		ends("pod/threads-exhausted", "the process may start no more processes", 1, "EXT019", "likely"),
		ends("deploy/arguments-wrong", "the program does not know a flag", 1, "EXT020", "likely"),
		ends("deploy/config-reload", "the program restarts itself for its configuration", 1, "EXT021", "likely"),
		ends("pod/child-killed", "the child of a shell is killed", 137, "EXT022", "likely"),
		{
			Name: "hang-silent", About: "the process falls silent and its liveness probe times out",
			So: all(looping(143, "Error"), event("Killing", "failed liveness probe")), Ask: "pod/hang-silent",
			Want: []string{"EXT023", "PRB001"}, Least: "possible",
		},
	}
}

// memories are kills for memory and what looks like one.
func memories() []Fault {
	oom := looping(137, "OOMKilled")
	return []Fault{
		{Name: "oom-child-exit", About: "a child is killed for memory and the shell gives up with 3", So: died(3, "OOMKilled"), Ask: "pod/oom-child-exit", Want: []string{"MEM002"}, Least: "likely"},
		{Name: "oom-child-zero", About: "a child is killed for memory and the shell ends with 0", So: died(0, "OOMKilled"), Ask: "pod/oom-child-zero", Want: []string{"MEM004"}, Least: "likely"},
		{
			Name: "oom-false-label", About: "a child was killed long ago, and the pod is deleted", Ready: ready(), Act: deletePod,
			So: died(143, "OOMKilled"), Ask: "pod/oom-false-label", Want: []string{"DEL001"},
		},
		{Name: "oom-heap-jvm", About: "the heap may be nearly as large as the limit", So: oom, Ask: "deploy/oom-heap-jvm", Want: []string{"MEM013"}, Least: "likely"},
		{Name: "oom-go", About: "a Go program without GOMEMLIMIT", So: oom, Ask: "deploy/oom-go", Want: []string{"MEM001"}, Least: "likely"},
		{
			Name: "oom-memory-volume", About: "files in memory fill the limit and survive restarts",
			So: all(restarted(2), anyStatus(func(st corev1.ContainerStatus) bool { // it need not leave the runtime's init any room
				return terminated(137, "OOMKilled")(st) || terminated(128, "StartError")(st)
			})),
			Ask: "pod/oom-memory-volume", Want: []string{"MEM014"}, Least: "possible",
		},
		{
			Name: "oom-limit-lowered", About: "a rollout lowers the memory limit", Ready: ready(),
			Act: patchDeployment("oom-limit-lowered", `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"lab.local/app:v1","imagePullPolicy":"IfNotPresent",
				"args":["oom","-max-mib=100"],"resources":{"requests":{"memory":"16Mi"},"limits":{"memory":"64Mi"}}}]}}}}`),
			So: someStatus(terminated(137, "OOMKilled")), Ask: "deploy/oom-limit-lowered", Want: []string{"CHG002"}, Least: "likely",
		},
		{Name: "oom-limit-default", About: "the memory limit comes from a LimitRange", So: oom, Ask: "deploy/oom-limit-default", Want: []string{"MEM016"}},
		ends("deploy/jvm-heap-full", "the heap of a JVM is full", 1, "MEM011", "likely"),
		ends("deploy/jvm-exit-on-oom", "a JVM exits because its Metaspace is full", 3, "MEM011", "likely"),
		ends("deploy/nodejs-heap-full", "the heap of Node.js is full", 134, "MEM012", "likely"),
	}
}

// dependencies are programs that cannot use what they need.
func dependencies() []Fault {
	fails := someStatus(func(st corev1.ContainerStatus) bool { return terminated(1, "Error")(st) && st.RestartCount > 0 })
	behind := func(name, about, want, least string) Fault {
		return Fault{Name: name, About: about, So: fails, Ask: "deploy/api", Want: []string{want}, Least: least}
	}
	crashes := behind("backend-crashes", "the database that a program needs crashes", "EXT001", "")
	crashes.So = pods(2, func(p *corev1.Pod) bool {
		return slices.ContainsFunc(statuses(p), func(st corev1.ContainerStatus) bool { return st.RestartCount > 1 })
	})
	return []Fault{
		crashes,
		{
			Name: "backend-not-ready", About: "the database that a program needs is not ready",
			So:  all(fails, event("Unhealthy", "Readiness probe failed"), runs("db", 12*time.Second)),
			Ask: "deploy/api", Want: []string{"PRB003", "DEP001"}, Least: "likely",
		},
		behind("backend-scaled-down", "the database that a program needs is scaled to zero", "DEP002", "likely"),
		behind("service-selector-wrong", "a Service selects labels that no pod has", "DEP003", "likely"),
		behind("service-port-wrong", "a Service leads to a port on which nothing listens", "DEP004", "likely"),
		behind("service-port-missing", "a Service does not have the port that is called", "DEP004", "likely"),
		behind("service-name-wrong", "there is no Service of that name", "DEP005", "likely"),
		behind("names-unanswered", "the name of a Service that exists does not resolve", "DEP006", "likely"),
		behind("policy-denies", "a network policy forbids the connection", "DEP007", "likely"),
		behind("policy-allows", "a network policy allows the connection that times out", "DEP012", "possible"),
		ends("deploy/certificate-expired", "the certificate of a dependency has expired", 1, "DEP008", "likely"),
		ends("deploy/password-refused", "a database refuses the password", 1, "DEP009", "likely"),
		ends("deploy/connections-exhausted", "a database takes no more connections", 1, "DEP010", "likely"),
		ends("deploy/external-unreached", "a host outside of the cluster does not answer", 1, "DEP011", "possible"),
		{
			Name: "mesh-late", About: "a program starts before the proxy of its mesh", So: someStatus(func(st corev1.ContainerStatus) bool { return st.Name == "app" && st.RestartCount == 1 }),
			Ask: "pod/mesh-late", Want: []string{"DEP013"}, Least: "likely",
		},
		{
			Name: "frontend-fails", About: "a program runs and cannot use a Service that is scaled to zero", So: runs("frontend", 12*time.Second),
			Ask: "deploy/frontend", Want: []string{"DEP002"}, Least: "possible",
		},
		{
			Name: "init-waits", About: "an init container waits for a Service that is scaled to zero",
			So:  someStatus(func(st corev1.ContainerStatus) bool { return st.Name == "wait" && runsFor(10*time.Second)(st) }),
			Ask: "pod/init-waits", Want: []string{"DEP002"}, Least: "possible",
		},
		{Name: "frontend-well", About: "a program runs and uses a Service", So: runs("frontend", 12*time.Second), Ask: "deploy/frontend"},
	}
}

// someStatus holds when a container of any pod is so.
func someStatus(so func(corev1.ContainerStatus) bool) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(p corev1.Pod) bool { return slices.ContainsFunc(statuses(&p), so) }), nil
	}
}

// terminated tells whether the last or current run of a container ended so.
func terminated(code int32, reason string) func(corev1.ContainerStatus) bool {
	return func(st corev1.ContainerStatus) bool {
		return slices.ContainsFunc([]*corev1.ContainerStateTerminated{st.State.Terminated, st.LastTerminationState.Terminated},
			func(t *corev1.ContainerStateTerminated) bool {
				return t != nil && t.ExitCode == code && t.Reason == reason
			})
	}
}

// runs holds when the pods with that label app have run for that long.
func runs(app string, d time.Duration) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + app})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(p corev1.Pod) bool { return slices.ContainsFunc(statuses(&p), runsFor(d)) }), nil
	}
}
