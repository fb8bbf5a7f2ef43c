// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// moreProbes are probes that fail for reasons of the spec, hooks, and probes of many pods that fail together.
func moreProbes() []Fault {
	killed := func(name, about string) Fault {
		return Fault{
			Name: name, About: about, Ask: "deploy/" + name, Want: []string{"PRB001"}, So: all(restarted(1), event("Killing", "failed liveness probe")),
		}
	}
	unready := func(name, about, said string) Fault {
		return Fault{
			Name: name, About: about, Ask: "pod/" + name, Want: []string{"PRB003"},
			So: all(event("Unhealthy", said), pod(func(p *corev1.Pod) bool { return !isReady(p) }), anyStatus(runsFor(8*time.Second))),
		}
	}
	return []Fault{
		killed("liveness-path", "the liveness probe asks for a path that the server does not have, the readiness probe for one that it has"),
		killed("liveness-port", "the liveness probe asks a port that the container does not declare"),
		killed("liveness-slow-start", "the process starts more slowly than its liveness probe allows, and there is no startup probe"),
		killed("liveness-early", "the startup probe opens a connection only and passes before the server answers"),
		killed("liveness-impatient", "one late answer is enough for the liveness probe"),
		{
			Name: "liveness-own-grace", About: "the liveness probe has a grace period of its own, shorter than the pod's",
			So: all(looping(137, "Error"), event("Killing", "failed liveness probe")), Ask: "deploy/liveness-own-grace", Want: []string{"PRB001"},
		},
		{
			Name: "liveness-throttled", About: "the liveness probe times out because the container uses up its CPU limit",
			So: all(restarted(2), event("Killing", "failed liveness probe")), Ask: "deploy/liveness-throttled", Want: []string{"USE002"}, Least: "likely",
		},
		unready("readiness-path", "the readiness probe asks for a path that the server does not have", "statuscode: 404"),
		unready("readiness-no-command", "the image does not have the command of the readiness probe", "curl"),
		unready("readiness-port-name", "the readiness probe names a port that the container does not declare", "Readiness probe errored"),
		unready("readiness-tls", "the readiness probe speaks TLS and the server does not", "Readiness probe failed"),
		unready("readiness-grpc", "the readiness probe asks an HTTP server for gRPC health", "Readiness probe failed"),
		unready("readiness-two", "the readiness probes of two containers fail", "Readiness probe failed"),
		{
			Name: "startup-pending", About: "the startup probe fails and has many tries left", Ask: "pod/startup-pending", Want: []string{"PRB004"}, Least: "possible",
			So: all(event("Unhealthy", "Startup probe failed"), anyStatus(runsFor(32*time.Second))),
		}, {
			Name: "probe-warning", About: "the readiness probe is redirected to another host, which counts as success", Ask: "pod/probe-warning",
			So: all(event("ProbeWarning", ""), ready()),
		}, {
			Name: "dependency-gone", About: "the liveness probe asks another service, which is gone", Ready: pods(3, isReady),
			Act: inTurn(await(readyFor(10*time.Second)), patchDeployment("stock", `{"spec":{"replicas":0}}`)),
			So:  all(pods(2, func(p *corev1.Pod) bool { return statuses(p)[0].RestartCount > 0 })),
			Ask: "deploy/dependency-gone", Want: []string{"PRB010"}, Least: "likely",
		}, {
			Name: "node-storm", About: "the probes of three workloads of a node time out together", Ask: "node/n2", Want: []string{"PRB008"}, Least: "possible",
			So: pods(3, func(p *corev1.Pod) bool { return len(statuses(p)) > 0 && statuses(p)[0].RestartCount > 0 }), NeedsNodes: true, Alone: true,
		}, {
			Name: "pods-unreachable", About: "a firewall on the node keeps its kubelet from the pods", Ask: "node/n2", Want: []string{"PRB009"}, Least: "possible",
			Ready: pods(3, isReady), Act: firewall("add"), Undo: firewall("delete"),
			So: pods(3, func(p *corev1.Pod) bool { return statuses(p)[0].RestartCount > 0 }), NeedsNodes: true, Alone: true,
		},
	}
}

// hooks are hooks that fail or take too long.
func hooks() []Fault {
	return []Fault{
		{
			Name: "poststart-fails", About: "the postStart hook returns an error", Ask: "pod/poststart-fails", Want: []string{"PRB005"},
			So: all(restarted(1), event("FailedPostStartHook", "")),
		}, {
			Name: "poststart-hangs", About: "the postStart hook does not end", Ask: "pod/poststart-hangs", Want: []string{"PRB006"}, Least: "likely",
			So: longAgo("Started", 32*time.Second),
		}, {
			Name: "prestop-fails", About: "the preStop hook of a deleted pod returns an error", Ready: ready(), Act: deletePod,
			So: all(event("FailedPreStopHook", ""), died(143, "Error")), Ask: "pod/prestop-fails", Want: []string{"DEL001"},
		}, {
			Name: "prestop-slow", About: "the preStop hook of a deleted pod takes longer than the grace period", Ready: ready(), Act: deletePod,
			So: died(143, "Error"), Ask: "pod/prestop-slow", Want: []string{"DEL001"},
		},
	}
}

// longAgo holds when an Event of that reason is that old.
func longAgo(reason string, age time.Duration) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Events(c.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
		return err == nil && len(list.Items) > 0 && time.Since(list.Items[0].LastTimestamp.Time) > age, err
	}
}

// readyFor holds when every pod has been ready for that long.
func readyFor(age time.Duration) Check {
	return pods(3, func(p *corev1.Pod) bool {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return time.Since(c.LastTransitionTime.Time) > age
			}
		}
		return false
	})
}

// firewall adds the rule that turns the node's own connections to port 18080 away, or deletes it.
func firewall(what string) Action {
	rules := "delete table inet faulted"
	if what == "add" {
		rules = "add table inet faulted; add chain inet faulted out { type filter hook output priority 0 ; }; " +
			"add rule inet faulted out tcp dport 18080 reject with icmpx type host-unreachable"
	}
	return lab("exec", n2, "--", "nft", rules)
}
