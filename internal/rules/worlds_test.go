// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

// second draws a time about the snapshot's, now and then none or that of 1970.
func second(t *rapid.T) metav1.Time {
	switch rapid.IntRange(0, 9).Draw(t, "clock") {
	case 0:
		return metav1.Time{}
	case 1:
		return metav1.NewTime(time.Unix(0, 0))
	}
	return at(rapid.IntRange(-4000, 700).Draw(t, "second"))
}

func pick[T any](t *rapid.T, list ...T) T { return rapid.SampledFrom(list).Draw(t, "pick") }

// messages are what the API holds and what somebody may write into it.
var messages = []string{
	"", liveness, stopping, "Container app failed startup probe, will be restarted", "Liveness probe failed: HTTP probe failed with statuscode: 500",
	"Readiness probe failed: timeout", "Startup probe errored", "\x1b[2J\r\n$(reboot)'\"`", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 1Ki. ",
	`Usage of EmptyDir volume "v" exceeds the limit "x".`, `Container app exceeded its local ephemeral storage limit "1Mi".`, "Node n1 has been rebooted, boot id: b",
	`MountVolume.SetUp failed for volume "v" : configmap "c" not found`, `couldn't find key k in Secret shop/s`, `configmap "c" not found`,
	"0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).", "0/99999999999999999999 nodes are available: 1 x",
	`exec: "srv": executable file not found in $PATH`, "failed to resolve reference: dial tcp: lookup x: no such host", "exec /a: exec format error",
}

func state(t *rapid.T) (st corev1.ContainerState) {
	switch rapid.IntRange(0, 4).Draw(t, "state") {
	case 0:
		st.Waiting = &corev1.ContainerStateWaiting{Message: pick(t, messages...), Reason: pick(t, "", "ContainerCreating", "PodInitializing", "CrashLoopBackOff",
			"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "RunContainerError")}
	case 1:
		st.Running = &corev1.ContainerStateRunning{StartedAt: second(t)}
	case 2, 3:
		st.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: pick[int32](t, 0, 1, 2, 37, 126, 127, 128, 137, 139, 143, 255, -1), StartedAt: second(t), FinishedAt: second(t), Message: pick(t, messages...),
			Reason: pick(t, "", "Completed", "Error", "OOMKilled", "StartError", "ContainerCannotRun", "ContainerStatusUnknown", "Unknown", "DeadlineExceeded"),
		}
	}
	return st
}

func statuses(t *rapid.T, names ...string) (list []corev1.ContainerStatus) {
	for _, name := range names {
		if rapid.IntRange(0, 5).Draw(t, "there") > 0 {
			st := corev1.ContainerStatus{Name: name, Ready: rapid.Bool().Draw(t, "ready"), RestartCount: pick[int32](t, 0, 1, 2, 1<<31-1, -1), State: state(t), LastTerminationState: state(t)}
			if st.LastTerminationState.Terminated != nil {
				st.RestartCount = max(st.RestartCount, 1)
			}
			if rapid.Bool().Draw(t, "began") {
				st.Started = new(bool)
			}
			list = append(list, st)
		}
	}
	return list
}

// anyPod draws a pod of an app, an init container, a sidecar and a debugging session in any state, in order or not.
func anyPod(t *rapid.T) *corev1.Pod {
	pod := app(nil)
	always := corev1.ContainerRestartPolicyAlways
	side := *pod.Spec.Containers[0].DeepCopy()
	side.Name, side.RestartPolicy = "side", &always
	pod.Spec.InitContainers = []corev1.Container{{Name: "init"}, side}
	pod.Spec.RestartPolicy = pick(t, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever, "")
	pod.Spec.NodeName = pick(t, "n1", "")
	switch rapid.IntRange(0, 5).Draw(t, "spec") {
	case 0:
		pod.Spec.Containers[0] = corev1.Container{Name: "app"}
	case 1:
		pod.Spec.Containers, pod.Spec.InitContainers = nil, nil
	}
	pod.Status = corev1.PodStatus{
		Phase:  pick(t, corev1.PodRunning, corev1.PodPending, corev1.PodFailed, corev1.PodSucceeded, corev1.PodUnknown, ""),
		Reason: pick(t, "", "", "Evicted", "NodeLost", "DeadlineExceeded"), Message: pick(t, messages...),
		ContainerStatuses: statuses(t, "app", "stranger"), InitContainerStatuses: statuses(t, "init", "side"), EphemeralContainerStatuses: statuses(t, "debugger"),
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.PodScheduled, corev1.DisruptionTarget} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: pick(t, corev1.ConditionTrue, corev1.ConditionFalse, ""), Reason: pick(t, "", "Unschedulable", "TerminationByKubelet"),
			Message: pick(t, messages...), LastTransitionTime: second(t),
		})
	}
	if rapid.Bool().Draw(t, "deleted") {
		when, grace := second(t), pick[int64](t, 0, 30, -1)
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &when, &grace
	}
	return pod
}

// anyWorld draws such a pod with Events, a node and a log.
func anyWorld(t *rapid.T) *evidence.Snapshot {
	pod := anyPod(t)
	var events []*corev1.Event
	for range rapid.IntRange(0, 6).Draw(t, "events") {
		e := event(pick(t, "Killing", "Unhealthy", "Rebooted", "SystemOOM", "FailedMount", "Failed", "Evicted", "NodeNotReady"), pick(t, messages...), 0, 0, pick(t, 0, 1, 2, 3, 40))
		e.Name, e.FirstTimestamp, e.LastTimestamp = rapid.StringN(1, 8, 8).Draw(t, "name"), second(t), second(t)
		if rapid.Bool().Draw(t, "node") {
			e.InvolvedObject = corev1.ObjectReference{Kind: "Node", Name: "n1"}
		}
		events = append(events, e)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: pick(t, corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown, ""), LastTransitionTime: second(t),
	}}
	s := &evidence.Snapshot{
		Taken: taken, Objects: []evidence.Object{pod, node}, Events: events,
		Has:  evidence.Spec | evidence.Status | pick(t, 0, evidence.Events) | pick(t, 0, evidence.Logs) | pick(t, 0, evidence.Node),
		Logs: []evidence.Log{{Of: evidence.RefOf(pod).InContainer("app").InAttempt(0), Text: pick(t, messages...)}},
	}
	return s.Freeze()
}

// TestAnyWorld runs every rule over pods that no cluster would show: none breaks, what is certain is proven, no end is
// passed over or told in two ways, and the same evidence gives the same report.
func TestAnyWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyWorld(t)
		result := diagnosis.Run(s, rules.All())
		for _, skip := range result.Skipped {
			if skip.Missing == 0 {
				t.Errorf("%s: %s: %s", skip.Rule.ID, skip.About, skip.Why)
			}
		}
		told := toldOf(t, result.Findings)
		r := diagnosis.Examine(s, rules.All())
		for _, u := range r.Undetermined {
			told[u.About] = true
		}
		for _, a := range s.Deaths(evidence.RefTo("Pod", "shop", "web")) {
			if !told[a.Of] {
				t.Errorf("%s is neither explained nor undetermined: %s", a.Of, a.Fact().Text)
			}
		}
		text := report.Text([]report.Report{report.New(r)}, report.Options{Wide: true})
		again := report.Text([]report.Report{report.New(diagnosis.Examine(s, rules.All()))}, report.Options{Wide: true})
		if diff := gocmp.Diff(text, again); diff != "" || strings.ContainsAny(text, "\x1b\r") {
			t.Errorf("the report is not the same twice, or not escaped: %s", diff)
		}
	})
}

// toldOf returns what the findings are about, and checks each: it is proven, and no end is told in two ways.
func toldOf(t *rapid.T, findings []diagnosis.Finding) map[evidence.Ref]bool {
	told, ends := map[evidence.Ref]bool{}, map[evidence.Ref]string{}
	for i := range findings {
		f := &findings[i]
		told[f.About] = true
		proven(t, f)
		if !strings.HasPrefix(f.Rule.ID, "EXT") {
			continue
		}
		if other := ends[f.About]; other != "" {
			t.Errorf("%s ended in two ways, %s and %s", f.About, other, f.Rule.ID)
		}
		ends[f.About] = f.Rule.ID
	}
	return told
}

func proven(t *rapid.T, f *diagnosis.Finding) {
	var best evidence.Source
	for _, fact := range f.Facts {
		best = max(best, fact.Source)
	}
	if f.Confidence == diagnosis.Certain && best < evidence.FromStatus {
		t.Errorf("%s is certain by no more than %s", f.Rule.ID, best)
	}
}

// TestHealthyWorld wants nothing to be found in pods that run or that completed, whatever their earlier Events.
func TestHealthyWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := app(nil)
		st := &pod.Status.ContainerStatuses[0]
		st.RestartCount = 0
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}, {Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
		if rapid.Bool().Draw(t, "task") {
			pod.Spec.RestartPolicy = pick(t, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure)
			pod.Status.Phase, st.Ready = corev1.PodSucceeded, false
			st.State = corev1.ContainerState{Terminated: death(0, "Completed", 100, 500)}
		}
		var events []*corev1.Event
		for range rapid.IntRange(0, 4).Draw(t, "events") {
			events = append(events, event(pick(t, "Unhealthy", "Started", "Pulled", "FailedMount", "Failed", "FailedScheduling"), pick(t, messages...), 0, rapid.IntRange(0, 600).Draw(t, "at"), 1))
		}
		if got := chains(snapshot(pod, pick(t, messages...), events...)); len(got) > 0 {
			t.Errorf("a healthy pod: %q", got)
		}
	})
}
