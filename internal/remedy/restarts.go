// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// workload returns what makes pods of a workload: how many it wants at all times, and of what template. There is none of other kinds.
func workload(o evidence.Object) (*corev1.PodTemplateSpec, int32) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template, wanted(o.Spec.Replicas)
	case *appsv1.StatefulSet:
		return &o.Spec.Template, wanted(o.Spec.Replicas)
	case *appsv1.DaemonSet:
		return &o.Spec.Template, o.Status.DesiredNumberScheduled
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, 0
	}
	return nil, 0
}

func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1 // the API's default
	}
	return *replicas
}

// restarts says what a change restarts, and how much of it at once.
func restarts(before, after evidence.Object, budgets []policyv1.PodDisruptionBudget) []string {
	old, had := workload(before)
	now, pods := workload(after)
	switch {
	case old == nil || now == nil:
		return []string{"nothing: no template of pods changes"}
	case equality.Semantic.DeepEqual(old, now) && had == pods:
		return []string{"nothing: no template of pods changes"}
	case equality.Semantic.DeepEqual(old, now):
		return []string{fmt.Sprintf("nothing: %s instead of %d", report.Plural(int(pods), "pod"), had)}
	}
	if _, isCron := after.(*batchv1.CronJob); isCron {
		return []string{"nothing: its next Job is made of it, and one that runs goes on as it is"}
	}
	count := "all pods"
	if _, isDaemon := after.(*appsv1.DaemonSet); !isDaemon {
		count = report.Plural(int(pods), "pod")
	}
	all := []string{"makes " + count + " of " + evidence.RefOf(after).String() + " anew, " + manner(after)}
	for i := range budgets {
		b := &budgets[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(now.Labels)) {
			all = append(all, "PodDisruptionBudget "+b.Name+" is about these pods, and does not hold a rollout back")
		}
	}
	return all
}

// manner says how the pods of a workload are replaced.
func manner(o evidence.Object) string {
	switch o := o.(type) {
	case *appsv1.Deployment:
		if o.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			return "all at once: the strategy is Recreate, so none serves meanwhile"
		}
		quarter := intstr.FromString("25%") // the API's default of both
		surge, missing := &quarter, &quarter
		if r := o.Spec.Strategy.RollingUpdate; r != nil {
			surge, missing = cmp.Or(r.MaxSurge, surge), cmp.Or(r.MaxUnavailable, missing)
		}
		pods := int(wanted(o.Spec.Replicas))
		return fmt.Sprintf("with at most %d more and %d fewer than wanted at a time", share(surge, pods, true), share(missing, pods, false))
	case *appsv1.StatefulSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
			return "but only when somebody deletes them: the strategy is OnDelete"
		}
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil && *r.Partition > 0 {
			return fmt.Sprintf("one after the other, from the last to number %d: the partition keeps the others", *r.Partition)
		}
		return "one after the other, from the last to the first"
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			return "but only when somebody deletes them: the strategy is OnDelete"
		}
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil && r.MaxUnavailable != nil {
			return r.MaxUnavailable.String() + " at a time"
		}
	}
	return "one at a time"
}

// share is how many of some pods a number or a percentage is. A Deployment rounds its surge up and what may be missing
// down (apps/v1, RollingUpdateDeployment).
func share(v *intstr.IntOrString, of int, up bool) int {
	n, err := intstr.GetScaledValueFromIntOrPercent(v, of, up)
	if err != nil {
		return 0 // cannot happen: the API server has checked it
	}
	return n
}

// budgets returns the disruption budgets of a namespace; none where they cannot be read, as they only add to what is said.
func (c *Cluster) budgets(ctx context.Context, namespace string) []policyv1.PodDisruptionBudget {
	list, err := c.Objects.Resource(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets")).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil || namespace == "" {
		return nil
	}
	var all []policyv1.PodDisruptionBudget
	for i := range list.Items {
		var b policyv1.PodDisruptionBudget
		if runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &b) == nil {
			all = append(all, b)
		}
	}
	return all
}

// probed returns what of a pod may have probes: its containers, and its sidecars among the init containers, as others have none (core/v1,
// ValidatePodSpec).
func probed(spec *corev1.PodSpec) []corev1.Container {
	return slices.Concat(spec.Containers, spec.InitContainers)
}

// probing returns the longest that a probe of some containers takes to ask twice, its first delay included.
func probing(containers []corev1.Container) time.Duration {
	longest := time.Duration(0)
	for i := range containers {
		c := &containers[i]
		for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if p != nil {
				period := max(p.PeriodSeconds, 1)
				longest = max(longest, time.Duration(p.InitialDelaySeconds+2*period)*time.Second)
			}
		}
	}
	return longest
}

// Role names the role of deploy/rbac/fix.yaml that allows to patch objects of a kind.
func Role(kind string) string { return "inquest-fix-" + strings.ToLower(kinds[kind].resource.Resource) }
