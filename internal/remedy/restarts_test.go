// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestRestarts(t *testing.T) {
	deploy := func(image string, replicas int32, strategy appsv1.DeploymentStrategyType) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Strategy: appsv1.DeploymentStrategy{Type: strategy}}}
		d.Spec.Template.Labels = map[string]string{"app": "web"}
		d.Spec.Template.Spec.Containers = []corev1.Container{{Image: image}}
		return d
	}
	set := func(image string, strategy appsv1.StatefulSetUpdateStrategy) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{UpdateStrategy: strategy}}
		s.Spec.Template.Spec.Containers = []corev1.Container{{Image: image}}
		return s
	}
	cron := func(image string) *batchv1.CronJob {
		c := &batchv1.CronJob{}
		c.Spec.JobTemplate.Spec.Template.Spec.Containers = []corev1.Container{{Image: image}}
		return c
	}
	third := int32(3)
	part := appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &third}}
	for name, test := range map[string]struct {
		before, after evidence.Object
		want          string
	}{
		"a claim":          {&corev1.PersistentVolumeClaim{}, &corev1.PersistentVolumeClaim{}, "nothing: no template of pods changes"},
		"only its pause":   {deploy("a", 1, ""), deploy("a", 1, ""), "nothing: no template of pods changes"},
		"more pods":        {deploy("a", 0, ""), deploy("a", 2, ""), "nothing: 2 pods instead of 0"},
		"a CronJob":        {cron("a"), cron("b"), "nothing: its next Job is made of it"},
		"a rollout of one": {deploy("a", 1, ""), deploy("b", 1, ""), "makes 1 pod of deployment/web anew, with at most 1 more and 0 fewer than wanted at a time"},
		"a rollout of ten": {deploy("a", 10, ""), deploy("b", 10, ""), "makes 10 pods of deployment/web anew, with at most 3 more and 2 fewer than wanted at a time"},
		"all at once":      {deploy("a", 2, appsv1.RecreateDeploymentStrategyType), deploy("b", 2, appsv1.RecreateDeploymentStrategyType), "none serves meanwhile"},
		"in order":         {set("a", appsv1.StatefulSetUpdateStrategy{}), set("b", appsv1.StatefulSetUpdateStrategy{}), "one after the other, from the last to the first"},
		"a part":           {set("a", part), set("b", part), "to number 3: the partition keeps the others"},
		"by hand": {
			set("a", appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}), set("b", appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}),
			"only when somebody deletes them",
		},
	} {
		if got := restarts(test.before, test.after, nil); len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("%s: %q, expected %q", name, got, test.want)
		}
	}
	budgets := []policyv1.PodDisruptionBudget{
		{ObjectMeta: metav1.ObjectMeta{Name: "ours"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "others"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}}},
	}
	if got := restarts(deploy("a", 1, ""), deploy("b", 1, ""), budgets); len(got) != 2 || !strings.Contains(got[1], "PodDisruptionBudget ours ") {
		t.Errorf("with a budget: %q", got)
	}
}

// TestProbing: a sidecar among the init containers is asked twice as well.
func TestProbing(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	spec := &corev1.PodSpec{
		Containers:     []corev1.Container{{LivenessProbe: &corev1.Probe{PeriodSeconds: 10}}},
		InitContainers: []corev1.Container{{RestartPolicy: &always, ReadinessProbe: &corev1.Probe{InitialDelaySeconds: 5, PeriodSeconds: 30}}, {}},
	}
	if got := probing(probed(spec)); got != 65*time.Second {
		t.Errorf("it takes %s", got)
	}
}
