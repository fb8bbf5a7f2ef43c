// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// busy is a namespace with a Deployment of two containers, whose load goes up and down in both, and that says how much memory they use.
func busy() *evidence.Snapshot {
	s := slowStarters(0, 2)
	own := *s
	own.Subject, own.Has = evidence.RefTo("Namespace", "", "shop"), s.Has|evidence.Usage
	own.Facts = nil
	bounds := corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("256Mi"), corev1.ResourceCPU: apiresource.MustParse("200m")}
	side := corev1.Container{Name: "a-container-beside-it-with-quite-a-long-name-as-they-have"}
	with := func(spec *corev1.PodSpec) {
		spec.Containers = append(spec.Containers[:1:1], side)
		for i := range spec.Containers {
			spec.Containers[i].Resources = corev1.ResourceRequirements{Requests: bounds, Limits: corev1.ResourceList{corev1.ResourceMemory: bounds[corev1.ResourceMemory]}}
		}
	}
	with(&own.Objects[0].(*appsv1.Deployment).Spec.Template.Spec)
	for _, pod := range evidence.List[*corev1.Pod](s) {
		with(&pod.Spec)
		status := pod.Status.ContainerStatuses[0]
		status.Name = side.Name
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
		for i := range pod.Spec.Containers {
			of := evidence.RefOf(pod).InContainer(pod.Spec.Containers[i].Name).InAttempt(0)
			var memory, processors []record.Step
			for n := range 100 {
				at := s.Taken.Add(-time.Duration(100-n) * 2 * time.Minute)
				load := 50.0
				if n%12 == 0 {
					load = 900
				}
				memory, processors = append(memory, record.Step{At: at, Value: 100 << 10}), append(processors, record.Step{At: at, Value: load})
			}
			for name, steps := range map[string][]record.Step{"course.memory": memory, "course.cpu": processors} {
				own.Facts = append(own.Facts, evidence.Fact{Kind: evidence.Usage, Source: evidence.FromMetric, About: of, At: s.Taken, Where: "cgroup", Name: name, Text: record.Course("use", s.Taken, steps)})
			}
		}
	}
	return own.Freeze()
}

// TestTuneFits: what is said of a namespace, with the manifests that are proposed, fits 80 columns but for the command, which is to be pasted; and one
// autoscaler is proposed for a workload, whatever its containers ask for.
func TestTuneFits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, filesOf(t, busy())); err != nil {
		t.Fatal(err)
	}
	text, _ := tuning(t, 0, "resources", "--from", file)
	for part, times := range map[string]int{"kind: HorizontalPodAutoscaler": 1, "kind: LimitRange": 1, "kind: ResourceQuota": 1, "Create a HorizontalPodAutoscaler for deployment/web": 1, "follows it": 2} {
		if got := strings.Count(strings.Join(strings.Fields(text), " "), part); got != times {
			t.Errorf("%q is said %d times, want %d:\n%s", part, got, times, text)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if n := utf8.RuneCountInString(line); n > 80 && !strings.Contains(line, "--patch") {
			t.Errorf("line %d has %d columns: %s", i+1, n, line)
		}
	}
	if t.Failed() {
		t.Log(fmt.Sprint("\n", text))
	}
}
