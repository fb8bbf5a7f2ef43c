// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// calm are things that are well, and look as if they were not: to those who read Events and logs alone, who know one
// kind of pod, or who ask too early.
func calm() []Fault {
	well := func(name, about string) Fault {
		return Fault{Name: name, About: about, So: ready(), Ask: "pod/" + name}
	}
	return slices.Concat([]Fault{
		well("benign-running", "a pod runs, and nothing ever happened to it"),
		well("benign-init", "an init container completed, a sidecar runs beside the main container"),
		well("benign-optional-config", "a ConfigMap and a Secret are missing that are optional"),
		well("benign-slow-start", "a slow start that the startup probe waits for"),
		well("benign-host-network", "a pod in the node's own network"),
		{
			Name: "benign-readiness-recovered", About: "a readiness probe failed for some seconds after the start",
			So: all(ready(), event("Unhealthy", "Readiness probe failed")), Ask: "pod/benign-readiness-recovered",
		}, {
			Name: "benign-liveness-once", About: "a liveness probe failed once, less often than its threshold",
			So: all(ready(), event("Unhealthy", "Liveness probe failed")), Ask: "pod/benign-liveness-once",
		}, {
			Name: "benign-loud-log", About: "a log full of errors that the program lives with",
			So: all(ready(), anyStatus(runsFor(5*time.Second))), Ask: "pod/benign-loud-log",
		}, {
			Name: "benign-near-limit", About: "a container uses half of its memory limit and stays there",
			So: all(ready(), anyStatus(runsFor(5*time.Second))), Ask: "pod/benign-near-limit",
		}, {
			Name: "benign-neighbour", About: "another pod of the namespace crashes",
			So:  all(named("benign-neighbour", isReady), named("crashing", hasRestarted)),
			Ask: "pod/benign-neighbour",
		},
	}, ending(), controlled())
}

// ending are pods that end, or are being ended, in order.
func ending() []Fault {
	return []Fault{{
		Name: "benign-completed", About: "a pod that is not to be restarted has completed",
		So:  pod(func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded }),
		Ask: "pod/benign-completed",
	}, {
		Name: "benign-terminating", About: "a deleted pod is within its grace period",
		Ready: ready(), Act: deletePod, So: deletedFor(4 * time.Second), Ask: "pod/benign-terminating",
	}, {
		Name: "benign-job-running", About: "a Job runs",
		So: ready(), Ask: "job/benign-job-running",
	}, {
		Name: "benign-cronjob", About: "a CronJob's first Job has completed",
		So: cronJobRan("benign-cronjob"), Ask: "cj/benign-cronjob",
	}}
}

// controlled are workloads whose pods are well.
func controlled() []Fault {
	return []Fault{{
		Name: "benign-daemonset", About: "a DaemonSet runs on every node",
		So: pods(2, isReady), Ask: "ds/benign-daemonset", NeedsNodes: true,
	}, {
		Name: "benign-statefulset", About: "a StatefulSet's pod was deleted and is back",
		Ready: pods(2, isReady), Act: deleteNamed("benign-statefulset-1"), So: pods(2, isReady), Ask: "sts/benign-statefulset",
	}, {
		Name: "benign-recreated", About: "a Deployment's pod was deleted and another took its place",
		Ready: pods(2, isReady), Act: deletePod, So: pods(2, isReady), Ask: "deploy/benign-recreated",
	}, {
		Name: "benign-surge", About: "a Deployment is scaled from two replicas to three",
		Ready: pods(2, isReady), Act: patchDeployment("benign-surge", `{"spec":{"replicas":3}}`), So: pods(3, isReady),
		Ask: "deploy/benign-surge",
	}, {
		Name: "benign-paused", About: "a paused Deployment has all its pods",
		Ready: pods(1, isReady), Act: patchDeployment("benign-paused", `{"spec":{"paused":true}}`), So: pods(1, isReady),
		Ask: "deploy/benign-paused",
	}, {
		Name: "benign-quota-room", About: "a quota that leaves room",
		So: pods(1, isReady), Ask: "deploy/benign-quota-room",
	}, {
		Name: "benign-rollback", About: "a rollout to an image that is not there was rolled back",
		Ready: pods(1, isReady), Act: inTurn(setImage("benign-rollback", "registry.lab:5000/missing/app:v2"),
			await(event("Failed", "registry.lab:5000/missing/app:v2")), setImage("benign-rollback", "lab.local/app:v1")),
		So: pods(1, isReady), Ask: "deploy/benign-rollback",
	}}
}

// doubles are pods with two independent causes, and pods beside another one that dies more loudly.
func doubles() []Fault {
	return []Fault{{
		Name: "two-ends", About: "one container runs out of memory and the other gives up",
		So: all(died(137, "OOMKilled"), died(3, "Error")), Ask: "pod/two-ends", Want: []string{"MEM001", "EXT001"}, And: []string{"EXT001", "MEM001"},
	}, {
		Name: "two-starts", About: "one image is not there, and a ConfigMap of the other container is missing",
		So:  all(waiting("ErrImagePull", "ImagePullBackOff"), waiting("CreateContainerConfigError")),
		Ask: "pod/two-starts", Want: []string{"IMG001", "CFG001"}, And: []string{"CFG001", "IMG001"},
	}, {
		Name: "probe-and-end", About: "one container is ended by its liveness probe, and the other's command is not in the image",
		So:  all(died(143, "Error"), died(128, "StartError")),
		Ask: "pod/probe-and-end", Want: []string{"PRB001", "EXT003"}, And: []string{"EXT003", "PRB001"},
	}, {
		Name: "neighbour-liveness", About: "a liveness probe ends the container while a neighbour runs out of memory",
		So:  all(named("neighbour-liveness", hasRestarted), named("loud", hasRestarted), event("Killing", "failed liveness probe")),
		Ask: "pod/neighbour-liveness", Want: []string{"PRB001"},
	}, {
		Name: "neighbour-exit", About: "the program gives up while a neighbour runs out of memory",
		So:  all(named("neighbour-exit", hasRestarted), named("loud", hasRestarted)),
		Ask: "pod/neighbour-exit", Want: []string{"EXT001"},
	}}
}

// named holds when the pod of that name is so.
func named(name string, so func(*corev1.Pod) bool) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		p, err := c.CoreV1().Pods(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && so(p), ignoreMissing(err)
	}
}

func hasRestarted(p *corev1.Pod) bool {
	return slices.ContainsFunc(statuses(p), func(st corev1.ContainerStatus) bool { return st.RestartCount > 0 })
}

// cronJobRan holds when a CronJob has seen a Job of its own succeed.
func cronJobRan(name string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		cj, err := c.BatchV1().CronJobs(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && cj.Status.LastSuccessfulTime != nil, err
	}
}

// deleteNamed deletes one pod.
func deleteNamed(name string) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.CoreV1().Pods(c.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	}
}

// setImage changes the image of a Deployment's container app.
func setImage(name, image string) Action {
	patch := `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"` + image + `"}]}}}}`
	return func(ctx context.Context, c Cluster) error {
		_, err := c.AppsV1().Deployments(c.Namespace).Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
}
