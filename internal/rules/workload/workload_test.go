// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestRules(t *testing.T) { ruletest.Run(t, Rules, Manifests) }

func TestWriter(t *testing.T) {
	entry := func(manager string, minute int, fields string) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(time.Date(2026, 3, 2, 10, minute, 0, 0, time.UTC))
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &at, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	replicas := `{"f:spec":{"f:replicas":{}}}`
	timeless := entry("timeless", 9, replicas)
	timeless.Time = nil
	fieldless := entry("fieldless", 9, replicas)
	fieldless.FieldsV1 = nil
	for name, c := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    string
	}{
		"nobody":                      {nil, ""},
		"the last one":                {[]metav1.ManagedFieldsEntry{entry("a", 1, replicas), entry("b", 3, replicas), entry("c", 2, replicas)}, "b"},
		"not of another field":        {[]metav1.ManagedFieldsEntry{entry("a", 1, replicas), entry("b", 3, `{"f:spec":{"f:paused":{}}}`)}, "a"},
		"not what cannot be read":     {[]metav1.ManagedFieldsEntry{entry("a", 1, replicas), entry("b", 3, `{"f:spec":[]}`), entry("c", 4, `{"f:spec":{"f:replicas":`)}, "a"},
		"not what has no time":        {[]metav1.ManagedFieldsEntry{entry("a", 1, replicas), timeless}, "a"},
		"not what names no fields":    {[]metav1.ManagedFieldsEntry{entry("a", 1, replicas), fieldless}, "a"},
		"the controller manager's":    {[]metav1.ManagedFieldsEntry{entry("kube-controller-manager", 1, replicas)}, "a HorizontalPodAutoscaler"},
		"a person's after that of it": {[]metav1.ManagedFieldsEntry{entry("kube-controller-manager", 1, replicas), entry("kubectl", 2, replicas)}, "kubectl"},
	} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{ManagedFields: c.entries}}
		if by, _ := writer(d, "f:replicas"); by != c.want {
			t.Errorf("%s: %q", name, by)
		}
	}
}

func TestReasonOf(t *testing.T) {
	limit, indexes := int32(2), "1,4-6"
	for _, c := range []struct {
		reason, message string
		spec            batchv1.JobSpec
		status          batchv1.JobStatus
		want            string
	}{
		{"BackoffLimitExceeded", "", batchv1.JobSpec{BackoffLimit: &limit}, batchv1.JobStatus{Failed: 3}, "3 pods failed, which is more than its backoffLimit of 2 allows"},
		{"BackoffLimitExceeded", "", batchv1.JobSpec{}, batchv1.JobStatus{Failed: 7}, "7 pods failed, which is more than its backoffLimit of 6 allows"},
		{"PodFailurePolicy", "exit code 3.", batchv1.JobSpec{}, batchv1.JobStatus{}, "its podFailurePolicy ends it: exit code 3"},
		{"FailedIndexes", "Job has failed indexes", batchv1.JobSpec{}, batchv1.JobStatus{FailedIndexes: &indexes}, "its indexes 1,4-6 failed"},
		{"FailedIndexes", "Job has failed indexes", batchv1.JobSpec{}, batchv1.JobStatus{}, "Job has failed indexes"},
		{"Evicted", "", batchv1.JobSpec{}, batchv1.JobStatus{}, "Evicted"},
	} {
		got := reasonOf(&batchv1.Job{Spec: c.spec, Status: c.status}, &batchv1.JobCondition{Reason: c.reason, Message: c.message})
		if got != c.want {
			t.Errorf("%s: %q", c.reason, got)
		}
	}
}

func TestBefore(t *testing.T) {
	fact := func(source evidence.Source, minute int, text string) evidence.Fact {
		return evidence.Fact{Source: source, At: time.Date(2026, 3, 2, 10, minute, 0, 0, time.UTC), Text: text}
	}
	scaled := func(minute int, n string) evidence.Fact {
		return fact(evidence.FromEvent, minute, "ScalingReplicaSet: Scaled down replica set web-7 from "+n+" to 0")
	}
	for name, c := range map[string]struct {
		facts []evidence.Fact
		want  int
	}{
		"nothing":                {nil, 0},
		"the last time":          {[]evidence.Fact{scaled(1, "3"), scaled(3, "5"), scaled(2, "4")}, 5},
		"an Event alone":         {[]evidence.Fact{fact(evidence.FromStatus, 1, "message from 3 to 0")}, 0},
		"to zero alone":          {[]evidence.Fact{scaled(1, "3"), fact(evidence.FromEvent, 2, "Scaled up replica set web-7 from 1 to 6")}, 3},
		"an Event without it":    {[]evidence.Fact{fact(evidence.FromEvent, 1, "SuccessfulDelete: Deleted pod: web-x1")}, 0},
		"older versions, not so": {[]evidence.Fact{fact(evidence.FromEvent, 1, "Scaled down replica set web-7 to 0")}, 0},
	} {
		if got := before(c.facts); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestMeaning(t *testing.T) {
	for message, want := range map[string]string{
		"the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container app of Pod web-1": "there is no request for cpu in container app of Pod web-1",
		"the HPA was unable to compute the replica count: unable to fetch metrics from custom metrics API: x":                                   "the metrics API does not answer: unable to fetch metrics from custom metrics API: x",
		"the server could not find the requested resource (get pods.metrics.k8s.io)":                                                            "the metrics API does not answer: the server could not find the requested resource (get pods.metrics.k8s.io)",
		"the server is currently unable to handle the request":                                                                                  "the metrics API does not answer: the server is currently unable to handle the request",
		`the HPA controller was unable to get the target's current scale: deployments.apps "web" not found`:                                     `deployments.apps "web" not found`,
	} {
		if got := meaning(&autoscalingv2.HorizontalPodAutoscalerCondition{Message: message}); got != want {
			t.Errorf("%s: %q", message, got)
		}
	}
}

func TestUpdateOf(t *testing.T) {
	zero, one := int32(0), int32(1)
	rolling := func(partition *int32) appsv1.StatefulSetUpdateStrategy {
		return appsv1.StatefulSetUpdateStrategy{Type: "RollingUpdate", RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: partition}}
	}
	for name, c := range map[string]struct {
		strategy appsv1.StatefulSetUpdateStrategy
		policy   appsv1.PodManagementPolicyType
		waits    bool
	}{
		"in order":                {rolling(&zero), "OrderedReady", true},
		"in order, without a set": {rolling(nil), "", true},
		"of an old version":       {appsv1.StatefulSetUpdateStrategy{Type: "RollingUpdate"}, "", true},
		"with a partition":        {rolling(&one), "OrderedReady", false},
		"in parallel":             {rolling(&zero), "Parallel", false},
		"on delete":               {appsv1.StatefulSetUpdateStrategy{Type: "OnDelete"}, "Parallel", true},
	} {
		set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{UpdateStrategy: c.strategy, PodManagementPolicy: c.policy}}
		if _, waits := updateOf(set); (waits != "") != c.waits {
			t.Errorf("%s: %q", name, waits)
		}
	}
	if revision, _ := updateOf(&appsv1.DaemonSet{}); revision != "" {
		t.Errorf("a DaemonSet: %q", revision)
	}
}
