// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/record"
)

// replayedAt is when the recorded incidents were recorded.
var replayedAt = time.Date(2026, 11, 23, 19, 49, 42, 0, time.UTC)

// measuredBundle is the evidence of a death at the memory limit, with what was used before it, Events, and a log.
func measuredBundle(t *testing.T, d history.Death) map[string][]byte {
	t.Helper()
	of := d.Of.Object()
	limit := resource.MustParse("256Mi")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: of.Name, Namespace: of.Namespace, UID: "u", CreationTimestamp: metav1.NewTime(d.Started)},
		Spec: corev1.PodSpec{NodeName: d.Node, Containers: []corev1.Container{{
			Name: "app", Image: d.Image, Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: limit}},
		}}},
	}
	event := func(reason, message, kind string, at time.Time) *corev1.Event {
		return &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(reason, at.Unix()), Namespace: of.Namespace}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: of.Namespace, Name: of.Name},
			Reason: reason, Message: message, Type: kind, LastTimestamp: metav1.NewTime(at), Count: 1,
		}
	}
	s := &evidence.Snapshot{
		Taken: d.Finished.Add(time.Second), Has: evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Usage, Objects: []evidence.Object{pod},
		Events: []*corev1.Event{
			event("Unhealthy", "Readiness probe failed: timeout", "Warning", d.Finished.Add(-30*time.Second)), event("Started", "Started container app", "Normal", d.Started),
		},
		Logs: []evidence.Log{{Of: d.Of, Text: "2026-11-01T12:00:00.000000000Z starting\n2026-11-01T12:00:01.000000000Z panic: out of room\n2026-11-01T12:00:01.000000000Z goroutine 1 [running]:\n"}},
	}
	container := of.InContainer("app")
	long := d.Finished.Sub(d.Started)
	var memory, cores []record.Step
	for i := range 21 {
		at := d.Started.Add(long * time.Duration(i) / 20)
		memory = append(memory, record.Step{At: at, Value: float64(40+10*i) * 1024})
		cores = append(cores, record.Step{At: at, Value: 100 + 20*float64(i%5)})
	}
	for name, steps := range map[string][]record.Step{"course.memory": memory, "course.cpu": cores} {
		s.Facts = append(s.Facts, evidence.Fact{
			Kind: evidence.Usage, Source: evidence.FromMetric, About: container, At: d.Finished, Name: name, Text: record.Course("used", d.Finished, steps),
		})
	}
	s.Facts = append(s.Facts, evidence.Fact{
		Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefTo("Node", "", d.Node), At: d.Finished, Text: "oom-kill: app", Where: "kmsg", Name: "oom-kill",
	})
	files, err := collect.Files(s.Freeze())
	if err != nil {
		t.Fatal(err)
	}
	return files
}
