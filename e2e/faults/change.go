// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// changes are pods that somebody replaces, workloads that come to nothing, and changes that break what ran before.
func changes() []Fault {
	return slices.Concat(replacements(), workloads(), states(), rollouts(), live())
}

// replacements are pods that are ended by somebody other than their owner. A finalizer keeps the object.
func replacements() []Fault {
	return []Fault{{
		Name: "api-eviction", About: "the pod is evicted through the API, as a drain does",
		Ready: ready(), Act: evictPods, So: died(143, "Error"), Ask: "pod/api-eviction", Want: []string{"EVC003"},
	}, {
		Name: "preempted", About: "the scheduler removes the pod for one of higher priority that needs its host port",
		Ready: named("preempted", isReady), Act: createLike("preemptor", "system-cluster-critical"),
		So: named("preempted", podEnded), Ask: "pod/preempted", Want: []string{"EVC004"}, NeedsNodes: true,
	}, {
		Name: "tainted", About: "somebody sets a NoExecute taint on the node",
		Ready: ready(), Act: taintN2(corev1.TaintEffectNoExecute, true), So: pod(podEnded), Undo: taintN2(corev1.TaintEffectNoExecute, false),
		Ask: "pod/tainted", Want: []string{"EVC005"}, NeedsNodes: true, Alone: true,
	}, {
		Name: "budget-blocks", About: "a node is cordoned, and a disruption budget lets no pod of it go",
		Ready: pods(1, isReady), Act: inTurn(cordonN2(true), await(budgetClosed)), So: pods(1, isReady), Undo: cordonN2(false),
		Ask: "node/" + n2, Want: []string{"EVC010"}, Least: "likely", NeedsNodes: true, Alone: true,
	}, {
		Name: "pod-deadline", About: "the pod is active for longer than its activeDeadlineSeconds",
		So: failed("DeadlineExceeded"), Ask: "pod/pod-deadline", Want: []string{"WRK013"},
	}}
}

// workloads are controllers that cannot finish what they began.
func workloads() []Fault {
	scale := func(c Cluster, ctx context.Context, name string, n int32) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			s, err := c.AppsV1().Deployments(c.Namespace).GetScale(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			s.Spec.Replicas = n
			_, err = c.AppsV1().Deployments(c.Namespace).UpdateScale(ctx, name, s, metav1.UpdateOptions{FieldManager: "kubectl"})
			return err
		})
	}
	return []Fault{{
		Name: "no-progress", About: "a rollout does not get ready within its progress deadline",
		So: deploymentIs("no-progress", func(d *appsv1.Deployment) bool {
			return progressOf(d, "Progressing").Reason == "ProgressDeadlineExceeded"
		}),
		Ask: "deploy/no-progress", Want: []string{"WRK001", "PRB003"}, Least: "likely",
	}, {
		Name: "scaled-to-zero", About: "somebody scales a Deployment to zero",
		Ready: pods(1, isReady), Act: func(ctx context.Context, c Cluster) error { return scale(c, ctx, "scaled-to-zero", 0) },
		So: deploymentIs("scaled-to-zero", func(d *appsv1.Deployment) bool {
			return d.Status.Replicas == 0 && d.Status.ObservedGeneration >= d.Generation
		}),
		Ask: "deploy/scaled-to-zero", Want: []string{"WRK002"},
	}, {
		Name: "job-backoff", About: "the pods of a Job fail more often than its backoffLimit allows",
		So: jobFailed("job-backoff", "BackoffLimitExceeded"), Ask: "job/job-backoff", Want: []string{"EXT001", "WRK003"},
	}, {
		Name: "job-deadline", About: "a Job takes longer than its activeDeadlineSeconds",
		So: jobFailed("job-deadline", "DeadlineExceeded"), Ask: "job/job-deadline", Want: []string{"WRK004"},
	}, {
		Name: "job-policy", About: "a pod of a Job fails in a way that its podFailurePolicy does not retry",
		So: jobFailed("job-policy", "PodFailurePolicy"), Ask: "job/job-policy", Want: []string{"EXT001", "WRK003"},
	}, {
		Name: "cronjob-suspended", About: "a CronJob is suspended",
		So: asApplied, Ask: "cj/cronjob-suspended", Want: []string{"WRK005"},
	}, {
		Name: "revision-stuck", About: "a StatefulSet's template is mended, and the broken pod is not replaced",
		Ready: waiting("ErrImagePull", "ImagePullBackOff"),
		Act: func(ctx context.Context, c Cluster) error {
			patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"lab.local/app:v1"}]}}}}`)
			_, err := c.AppsV1().StatefulSets(c.Namespace).Patch(ctx, "revision-stuck", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
		So: func(ctx context.Context, c Cluster) (bool, error) {
			set, err := c.AppsV1().StatefulSets(c.Namespace).Get(ctx, "revision-stuck", metav1.GetOptions{})
			return err == nil && set.Status.ObservedGeneration >= set.Generation && set.Status.UpdateRevision != set.Status.CurrentRevision, err
		},
		Ask: "sts/revision-stuck", Want: []string{"WRK007"},
	}, {
		Name: "misscheduled", About: "the pods of a DaemonSet stay on a node that got a taint which they do not tolerate",
		Ready: pods(1, isReady), Act: taintN2(corev1.TaintEffectNoSchedule, true), Undo: taintN2(corev1.TaintEffectNoSchedule, false),
		So: func(ctx context.Context, c Cluster) (bool, error) {
			ds, err := c.AppsV1().DaemonSets(c.Namespace).Get(ctx, "misscheduled", metav1.GetOptions{})
			return err == nil && ds.Status.NumberMisscheduled > 0, err
		},
		Ask: "ds/misscheduled", Want: []string{"WRK008"}, NeedsNodes: true, Alone: true,
	}}
}

// states are workloads in which nothing fails and nothing happens.
func states() []Fault {
	return []Fault{{
		Name: "hpa-no-request", About: "an autoscaler finds no request to compare the usage with",
		So:  hpaSays("hpa-no-request", autoscalingv2.ScalingActive, "missing request for cpu"),
		Ask: "deploy/hpa-no-request", Want: []string{"WRK009"},
	}, {
		Name: "hpa-maximum", About: "the load asks for more pods than an autoscaler may make",
		So:  hpaSays("hpa-maximum", autoscalingv2.ScalingLimited, "more than the maximum replica count"),
		Ask: "deploy/hpa-maximum", Want: []string{"WRK010"},
	}, {
		Name: "paused", About: "a Deployment is paused before its template is rolled out",
		Ready: pods(1, isReady),
		Act: func(ctx context.Context, c Cluster) error {
			patch := []byte(`{"spec":{"paused":true,"template":{"metadata":{"annotations":{"kubeinquest.io/release":"2"}}}}}`)
			_, err := c.AppsV1().Deployments(c.Namespace).Patch(ctx, "paused", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"})
			return err
		},
		So: deploymentIs("paused", func(d *appsv1.Deployment) bool {
			return progressOf(d, "Progressing").Reason == "DeploymentPaused" && d.Status.UpdatedReplicas == 0 && d.Status.ObservedGeneration >= d.Generation
		}),
		Ask: "deploy/paused", Want: []string{"WRK011"},
	}, {
		Name: "readiness-gate", About: "nobody sets the condition that a readiness gate waits for",
		So:  pod(func(p *corev1.Pod) bool { return gatedFor(p, 35*time.Second) }),
		Ask: "pod/readiness-gate", Want: []string{"WRK012"},
	}}
}

// rollouts are changes of a template, or of what it refers to, that break what ran before.
func rollouts() []Fault {
	crashed := func(p *corev1.Pod) bool {
		return slices.ContainsFunc(statuses(p), func(st corev1.ContainerStatus) bool { return st.RestartCount > 0 })
	}
	rollout := func(name, about, patch string, broken func(*corev1.Pod) bool, want ...string) Fault {
		return Fault{
			Name: name, About: about, Ready: pods(1, isReady),
			Act: func(ctx context.Context, c Cluster) error {
				opts := metav1.PatchOptions{FieldManager: "kubectl-set"}
				_, err := c.AppsV1().Deployments(c.Namespace).Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), opts)
				return err
			},
			So:  all(somePod(isReady), somePod(broken)),
			Ask: "deploy/" + name, Want: want, Least: "likely",
		}
	}
	return []Fault{
		rollout("bad-rollout", "a new revision of a Deployment crashes, and the old one is well",
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","args":["-c","echo 'ERROR unknown option --fast' >&2; exit 3"]}]}}}}`, crashed, "CHG001"),
		rollout("env-removed", "a new revision lacks an environment variable that the program needs",
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"DB_DSN","$patch":"delete"}]}]}}}}`, crashed, "CHG002"),
		rollout("limit-lowered", "a new revision has a memory limit that the program does not fit in",
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"24Mi"}}}]}}}}`, crashed, "CHG002"),
		{
			Name: "config-edited", About: "a ConfigMap is edited, and the pod that starts next crashes by it",
			Ready: pods(2, isReady), Act: inTurn(editConfig, deleteFirst),
			So: all(somePod(isReady), somePod(crashed)), Ask: "deploy/config-edited", Want: []string{"CHG003"}, Least: "likely",
		}, {
			Name: "contested", About: "two programs scale a Deployment to and fro",
			Ready: pods(1, isReady), Act: contest("contested"), So: asApplied, Ask: "deploy/contested", Want: []string{"CHG008"}, Least: "likely",
		},
	}
}

// live are changes of a pod that is running.
func live() []Fault {
	patchPod := func(name, patch string, subresource ...string) Action {
		return func(ctx context.Context, c Cluster) error {
			_, err := c.CoreV1().Pods(c.Namespace).Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, subresource...)
			return err
		}
	}
	return []Fault{{
		Name: "definition-changed", About: "somebody changes the image on the live pod",
		Ready: ready(), Act: patchPod("definition-changed", `{"spec":{"containers":[{"name":"app","image":"lab.local/user:v1"}]}}`),
		So: restarted(1), Ask: "pod/definition-changed", Want: []string{"CHG004"},
	}, {
		Name: "resized", About: "a container is restarted to give it more memory",
		Ready: ready(), Act: patchPod("resized", `{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"96Mi"}}}]}}`, "resize"),
		So: restarted(1), Ask: "pod/resized", Want: []string{"CHG005"},
	}, {
		Name: "resize-deferred", About: "a resize asks for more than the node has left",
		Ready: named("resize-deferred", isReady), Act: patchPod("resize-deferred", `{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"1950m"},"limits":{"cpu":"1950m"}}}]}}`, "resize"),
		So:  named("resize-deferred", func(p *corev1.Pod) bool { return podCondition(p, corev1.PodResizePending) == corev1.ConditionTrue }),
		Ask: "pod/resize-deferred", Want: []string{"CHG006"},
	}, {
		Name: "restart-rule", About: "a container asks by its exit code to be restarted",
		So: restarted(1), Ask: "pod/restart-rule", Want: []string{"CHG007"},
	}, {
		Name: "restart-all", About: "a container asks by its exit code for a restart of all containers",
		So: pod(func(p *corev1.Pod) bool {
			return isRunning(p) && !slices.ContainsFunc(statuses(p), func(st corev1.ContainerStatus) bool { return st.RestartCount == 0 || st.State.Running == nil })
		}),
		Ask: "pod/restart-all", Want: []string{"CHG007"},
	}}
}

func podCondition(p *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

func gatedFor(p *corev1.Pod, d time.Duration) bool {
	return podCondition(p, corev1.ContainersReady) == corev1.ConditionTrue && !isReady(p) && time.Since(p.CreationTimestamp.Time) > d
}

// podEnded tells whether no container of a pod runs any more.
func podEnded(p *corev1.Pod) bool {
	return len(p.Status.ContainerStatuses) > 0 && !slices.ContainsFunc(p.Status.ContainerStatuses, func(st corev1.ContainerStatus) bool { return st.State.Terminated == nil })
}

// somePod holds when one of the namespace's pods is so.
func somePod(so func(*corev1.Pod) bool) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(p corev1.Pod) bool { return so(&p) }), nil
	}
}

// asApplied always holds: what was applied is all there is to it.
func asApplied(context.Context, Cluster) (bool, error) { return true, nil }

func deploymentIs(name string, so func(*appsv1.Deployment) bool) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		d, err := c.AppsV1().Deployments(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && so(d), err
	}
}

func progressOf(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) appsv1.DeploymentCondition {
	for _, c := range d.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return appsv1.DeploymentCondition{}
}

func jobFailed(name, reason string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		job, err := c.BatchV1().Jobs(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue && c.Reason == reason
		}), err
	}
}

// hpaSays holds when the autoscaler has a condition whose message holds the part.
func hpaSays(name string, kind autoscalingv2.HorizontalPodAutoscalerConditionType, part string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		hpa, err := c.AutoscalingV2().HorizontalPodAutoscalers(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && slices.ContainsFunc(hpa.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
			return c.Type == kind && strings.Contains(c.Message, part)
		}), err
	}
}

// evictPods asks the API server to evict the namespace's pods.
func evictPods(ctx context.Context, c Cluster) error {
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: list.Items[i].Name, Namespace: c.Namespace}}
		if err := c.PolicyV1().Evictions(c.Namespace).Evict(ctx, eviction); err != nil {
			return err
		}
	}
	return nil
}

// createLike makes a pod like the namespace's only one, of another priority class.
func createLike(name, class string) Action {
	return func(ctx context.Context, c Cluster) error {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) == 0 {
			return err
		}
		like := list.Items[0].Spec
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
			PriorityClassName: class, NodeSelector: like.NodeSelector,
			Containers: []corev1.Container{{Name: "app", Image: like.Containers[0].Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: like.Containers[0].Args, Ports: like.Containers[0].Ports}},
		}}
		_, err = c.CoreV1().Pods(c.Namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	}
}

// taintN2 sets the fault's taint on the node that faults run on, or takes it off.
func taintN2(effect corev1.TaintEffect, set bool) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.eachNode(ctx, func(n *corev1.Node) {
			n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == reserved })
			if set && n.Name == n2 {
				n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: reserved, Value: "batch", Effect: effect})
			}
		})
	}
}

// cordonN2 closes the node that faults run on to new pods, or opens it.
func cordonN2(shut bool) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.eachNode(ctx, func(n *corev1.Node) {
			if n.Name == n2 {
				n.Spec.Unschedulable = shut
			}
		})
	}
}

// budgetClosed holds when the namespace's disruption budget has counted its pods and allows nothing.
func budgetClosed(ctx context.Context, c Cluster) (bool, error) {
	list, err := c.PolicyV1().PodDisruptionBudgets(c.Namespace).List(ctx, metav1.ListOptions{})
	return err == nil && len(list.Items) == 1 && list.Items[0].Status.ExpectedPods > 0 && list.Items[0].Status.DisruptionsAllowed == 0, err
}

// editConfig changes the namespace's ConfigMap as kubectl edit does. The pods that run have started some seconds before.
func editConfig(ctx context.Context, c Cluster) error {
	select {
	case <-ctx.Done():
	case <-time.After(12 * time.Second): // what is written within ten seconds counts as deployed together
	}
	patch := []byte(`{"data":{"MODE":"turbo"}}`)
	_, err := c.CoreV1().ConfigMaps(c.Namespace).Patch(ctx, "shop-settings", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"})
	return err
}

// deleteFirst deletes one of the namespace's pods.
func deleteFirst(ctx context.Context, c Cluster) error {
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) == 0 {
		return err
	}
	return c.CoreV1().Pods(c.Namespace).Delete(ctx, list.Items[0].Name, metav1.DeleteOptions{})
}

// contest scales a Deployment up and down in the name of two programs.
func contest(name string) Action {
	return func(ctx context.Context, c Cluster) error {
		for i := range 8 {
			replicas, manager := 1+(i+1)%2, []string{"argocd-controller", "scaler"}[i%2]
			patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
			_, err := c.AppsV1().Deployments(c.Namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
			if err != nil {
				return err
			}
			settled := deploymentIs(name, func(d *appsv1.Deployment) bool {
				return d.Status.ObservedGeneration >= d.Generation && d.Status.Replicas == int32(replicas)
			})
			if err := until(ctx, c, settled, defaultLimit); err != nil {
				return err
			}
		}
		return nil
	}
}
