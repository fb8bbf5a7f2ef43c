// SPDX-License-Identifier: Apache-2.0

// Package advise is measured advice: what probes and resources should be, by what was recorded. Everything is a function of
// snapshots and samples; each number is shown with what it rests on, and probes that are proposed are replayed against the recorded starts.
package advise

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Forever stands for a time that is not reached.
const Forever time.Duration = 1<<63 - 1

// A Container is what advice is about: a container of a workload, as its template has it now.
type Container struct {
	About  evidence.Ref      // the workload, or the pod that has none, and the container
	Target evidence.Ref      // whose template has the container; the zero Ref where none is known
	Pod    corev1.PodSpec    // that it is part of
	Spec   corev1.Container  //
	Labels map[string]string // of the workload
}

// ContainerOf returns the container of that name of a pod, as the template of its workload has it, or the pod where that is not
// known. The container must be in the pod.
func ContainerOf(s *evidence.Snapshot, pod *corev1.Pod, name string) Container {
	top := s.TopOwner(evidence.RefOf(pod))
	o := Container{About: top.InContainer(name), Labels: pod.Labels}
	template := templateOf(s.Object(top))
	if template == nil || evidence.ContainerSpec(&corev1.Pod{Spec: *template}, name) == nil { // a later one, without this container
		o.Pod = pod.Spec
	} else {
		o.Pod, o.Target = *template, top
	}
	o.Spec = *evidence.ContainerSpec(&corev1.Pod{Spec: o.Pod}, name)
	return o
}

func templateOf(o evidence.Object) *corev1.PodSpec {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return &w.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &w.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return &w.Spec.Template.Spec
	case *batchv1.CronJob: // whose next run has it
		return &w.Spec.JobTemplate.Spec.Template.Spec
	}
	return nil
}

// Fix is a change of fields of the container; without a patch where it belongs to no known template.
func (c *Container) Fix(title string, fields map[string]any) *diagnosis.Fix {
	if c.Target == (evidence.Ref{}) {
		return &diagnosis.Fix{Title: title, Risk: diagnosis.Advice}
	}
	list := "containers"
	for i := range c.Pod.InitContainers {
		if c.Pod.InitContainers[i].Name == c.Spec.Name {
			list = "initContainers"
		}
	}
	named := map[string]any{"name": c.Spec.Name}
	maps.Copy(named, fields)
	template, risk := map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{list: []any{named}}}}}, diagnosis.Restart
	if c.Target.Kind == "CronJob" {
		template, risk = map[string]any{"spec": map[string]any{"jobTemplate": template}}, diagnosis.Advice
	}
	data, err := json.Marshal(template)
	if err != nil {
		return &diagnosis.Fix{Title: title, Risk: diagnosis.Advice} // cannot happen: these are strings and numbers
	}
	return &diagnosis.Fix{Title: title, Risk: risk, Patch: &diagnosis.Patch{Target: c.Target, Type: diagnosis.Strategic, Data: string(data)}}
}

// Round is a time as people read it.
func Round(d time.Duration) string {
	switch {
	case d == Forever:
		return "never"
	case d < 10*time.Second && d%time.Second != 0:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Count says how many there are of something.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Minute is a time as precise as a reader of advice needs it.
const Minute = "2006-01-02T15:04Z"
