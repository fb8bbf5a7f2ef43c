// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/rules"
)

// taken is the time of every snapshot here; at counts seconds from ten minutes before it.
var taken = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)

func at(seconds int) metav1.Time {
	return metav1.NewTime(taken.Add(-10*time.Minute + time.Duration(seconds)*time.Second))
}

// A death is a terminated state; a start below zero is the 1970 of a container that never started.
func death(code int32, reason string, start, end int) *corev1.ContainerStateTerminated {
	t := &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, StartedAt: at(start), FinishedAt: at(end)}
	if start < 0 {
		t.StartedAt = metav1.NewTime(time.Unix(0, 0))
	}
	return t
}

// app is a pod of one container with probes and a memory limit, which runs now and ended once before.
func app(last *corev1.ContainerStateTerminated) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u1", CreationTimestamp: at(0)}}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}, PeriodSeconds: 10, FailureThreshold: 3, TimeoutSeconds: 1}
	c := corev1.Container{Name: "app", Image: "app:1", LivenessProbe: probe, StartupProbe: probe, ReadinessProbe: probe}
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	pod.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, NodeName: "n1", Containers: []corev1.Container{c}}
	st := corev1.ContainerStatus{Name: "app", Ready: true, RestartCount: 1}
	st.State.Running = &corev1.ContainerStateRunning{StartedAt: at(500)}
	st.LastTerminationState.Terminated = last
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{st}}
	return pod
}

// event is what the kubelet of n1 writes about container app.
func event(reason, message string, first, last, count int) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: fmt.Sprint("e", reason, first, last, len(message)), Namespace: "shop"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web", UID: "u1", FieldPath: "spec.containers{app}"},
		Reason:         reason, Message: message, FirstTimestamp: at(first), LastTimestamp: at(last), Count: int32(count),
		Type: "Normal", Source: corev1.EventSource{Component: "kubelet", Host: "n1"}, ReportingController: "kubelet",
	}
}

const (
	liveness = "Container app failed liveness probe, will be restarted"
	stopping = "Stopping container app"
)

func snapshot(pod *corev1.Pod, log string, events ...*corev1.Event) *evidence.Snapshot {
	s := &evidence.Snapshot{
		Taken: taken, Subject: evidence.RefOf(pod), Objects: []evidence.Object{pod}, Events: events,
		Has: evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Node,
	}
	if log != "" {
		s.Logs = []evidence.Log{{Of: evidence.RefOf(pod).InContainer("app").InAttempt(0), Text: log}}
	}
	return s.Freeze()
}

// chains writes each cause with what follows from it, and what is undetermined: "PRB001 certain > EXT006 certain".
func chains(s *evidence.Snapshot) []string {
	r := diagnosis.Examine(s, rules.All())
	var write func(c diagnosis.Cause) string
	write = func(c diagnosis.Cause) string {
		text := c.Rule.ID + " " + c.Confidence.String()
		for _, l := range c.Leads {
			text += " > " + write(l)
		}
		return text
	}
	list := []string{}
	for _, c := range r.Causes {
		list = append(list, write(c))
	}
	for _, u := range r.Undetermined {
		list = append(list, "undetermined "+cmp.Or(u.About.Container, u.About.Name))
	}
	for _, skip := range r.Skipped {
		if skip.Missing == 0 {
			list = append(list, "broken "+skip.Rule.ID+": "+skip.Why)
		}
	}
	return list
}

// A change makes of a pod another one.
func with(pod *corev1.Pod, change func(*corev1.Pod)) *corev1.Pod {
	change(pod)
	return pod
}

// lookalikes are what is easily taken for something else, each with the chains of findings that are right.
var lookalikes = map[string]struct {
	s    *evidence.Snapshot
	want []string
}{
	"killed by the liveness probe": {
		snapshot(app(death(143, "Error", 100, 490)), "", event("Killing", liveness, 489, 489, 1)),
		[]string{"PRB001 certain > EXT006 certain"},
	},
	"crash of the run after one that the probe ended in the second before": {
		snapshot(app(death(1, "Error", 101, 300)), "", event("Killing", liveness, 100, 100, 1)),
		[]string{"EXT001 certain"},
	},
	"crash of the run that began in the second of the order to end the one before": {
		snapshot(app(death(1, "Error", 100, 300)), "", event("Killing", liveness, 100, 100, 1)),
		[]string{"EXT001 certain"},
	},
	"a program that finished between two kills by its probe": {
		snapshot(app(death(0, "Completed", 200, 300)), "", event("Killing", liveness, 100, 400, 2)),
		[]string{"EXT004 certain"},
	},
	"a command that is gone after a restart by the probe": {
		snapshot(app(death(128, "StartError", -1, 300)), "", event("Killing", liveness, 250, 250, 1)),
		[]string{"EXT003 certain"},
	},
	"an order that somebody else than the kubelet wrote": {
		func() *evidence.Snapshot {
			e := event("Killing", liveness, 280, 280, 1)
			e.Source, e.ReportingController = corev1.EventSource{Component: "mallory"}, "mallory"
			return snapshot(app(death(1, "Error", 100, 300)), "", e)
		}(),
		[]string{"EXT001 certain"},
	},
	"an order of the kubelet of another node": {
		func() *evidence.Snapshot {
			e := event("Killing", liveness, 280, 280, 1)
			e.Source.Host = "n2"
			return snapshot(app(death(1, "Error", 100, 300)), "", e)
		}(),
		[]string{"EXT001 certain"},
	},
	"an order for a probe that the container does not have": {
		snapshot(with(app(death(1, "Error", 100, 300)), func(p *corev1.Pod) { p.Spec.Containers[0].LivenessProbe = nil }), "",
			event("Killing", liveness, 280, 280, 1)),
		[]string{"EXT001 certain"},
	},
	"an order for another container of the pod, without a field path": {
		func() *evidence.Snapshot {
			e := event("Killing", "Container proxy failed liveness probe, will be restarted", 280, 280, 1)
			e.InvolvedObject.FieldPath = ""
			return snapshot(app(death(1, "Error", 100, 300)), "", e)
		}(),
		[]string{"EXT001 certain"},
	},
	"Go program that gets SIGTERM after a panic that it recovered": {
		snapshot(app(death(2, "Error", 100, 300)), "http: panic serving 10.0.0.1:1: boom\ngoroutine 7 [running]:\nmain.f()\n\t/app/main.go:3 +0x1\n",
			event("Killing", liveness, 299, 299, 1)),
		[]string{"PRB001 certain > EXT006 certain"},
	},
	"Go program that panics while it ends on an order": {
		snapshot(app(death(2, "Error", 100, 300)), "panic: close of closed channel\n\ngoroutine 7 [running]:\nmain.f()\n\t/app/main.go:3 +0x1\n",
			event("Killing", liveness, 299, 299, 1)),
		[]string{"PRB001 certain > EXT006 certain"},
	},
	"memory label of an earlier child on a kill after the grace period": {
		snapshot(app(death(137, "OOMKilled", 100, 300)), "", event("Killing", liveness, 270, 270, 1)),
		[]string{"PRB001 likely > EXT005 likely", "MEM001 possible"},
	},
	"out of memory while the probe's order waits": {
		snapshot(app(death(137, "OOMKilled", 100, 300)), "", event("Killing", liveness, 295, 295, 1)),
		[]string{"MEM001 likely"},
	},
	"memory label on an end that the probe ordered": {
		snapshot(app(death(1, "OOMKilled", 100, 300)), "", event("Killing", liveness, 299, 299, 1)),
		[]string{"PRB001 certain > EXT006 certain", "MEM002 possible"},
	},
	"out of memory with a limit of the pod": {
		snapshot(with(app(death(137, "OOMKilled", 100, 300)), func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("96Mi")}}
			p.Spec.Containers = append(p.Spec.Containers, *p.Spec.Containers[0].DeepCopy())
			p.Spec.Containers[1].Name = "cache"
		}), ""),
		[]string{"MEM001 likely"},
	},
	"end of a debugging session": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].RestartCount = 0
			p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger"}}}
			st := corev1.ContainerStatus{Name: "debugger"}
			st.State.Terminated = death(0, "Completed", 100, 200)
			bad := corev1.ContainerStatus{Name: "shell"}
			bad.State.Terminated = death(130, "Error", 100, 200)
			p.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{st, bad}
		}), ""),
		[]string{},
	},
	"killed by its probe with exit code 0 under OnFailure": {
		snapshot(with(app(death(0, "Completed", 100, 490)), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyOnFailure }), "",
			event("Killing", liveness, 489, 489, 1)),
		[]string{"PRB001 certain > EXT006 certain"},
	},
	"a task that completed after a failure": {
		snapshot(with(app(death(1, "Error", 100, 200)), func(p *corev1.Pod) {
			p.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: death(0, "Completed", 300, 400)}
			p.Status.Phase = corev1.PodSucceeded
		}), ""),
		[]string{"EXT001 certain"},
	},
	"two containers whose names and codes run together": {
		snapshot(with(app(death(137, "Error", 100, 200)), func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, *p.Spec.Containers[0].DeepCopy())
			p.Spec.Containers[1].Name = "app1"
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, *p.Status.ContainerStatuses[0].DeepCopy())
			p.Status.ContainerStatuses[1].Name = "app1"
			p.Status.ContainerStatuses[1].LastTerminationState.Terminated = death(37, "Error", 100, 200)
		}), ""),
		[]string{"EXT001 certain", "EXT007 possible", "undetermined app"},
	},
	"init container that completed at the second try, and another at work": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "one"}, {Name: "two"}}
			one := corev1.ContainerStatus{Name: "one", RestartCount: 1}
			one.State.Terminated, one.LastTerminationState.Terminated = death(0, "Completed", 300, 400), death(1, "Error", 100, 200)
			two := corev1.ContainerStatus{Name: "two"}
			two.State.Running = &corev1.ContainerStateRunning{StartedAt: at(590)}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{one, two}
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
			p.Status.ContainerStatuses[0].RestartCount = 0
		}), ""),
		[]string{"EXT001 certain"},
	},
	"readiness of a container that has only begun": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].RestartCount, p.Status.ContainerStatuses[0].Ready = 0, false
			p.Status.ContainerStatuses[0].State.Running.StartedAt = at(590)
		}), "", event("Unhealthy", "Readiness probe failed: no", 592, 592, 1)),
		[]string{},
	},
	"readiness that does not come": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].RestartCount, p.Status.ContainerStatuses[0].Ready = 0, false
		}), "", event("Unhealthy", "Readiness probe failed: no", 502, 592, 9)),
		[]string{"PRB003 likely"},
	},
	"ended by itself in a pod that was deleted, and no order is recorded": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			due, grace := at(620), int64(30)
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &due, &grace
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: death(1, "Error", 100, 592)}
			p.Status.ContainerStatuses[0].RestartCount = 0
		}), ""),
		[]string{"DEL001 certain > EXT001 likely"},
	},
	"finished in a pod that was deleted, and no order is recorded": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			due, grace := at(620), int64(30)
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &due, &grace
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: death(0, "Completed", 100, 592)}
			p.Status.ContainerStatuses[0].RestartCount = 0
		}), ""),
		[]string{"DEL001 certain > EXT004 likely"},
	},
	"evicted, and no order is recorded": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: death(137, "Error", 100, 592)}
			p.Status.ContainerStatuses[0].RestartCount = 0
		}), ""),
		[]string{"EVC001 certain > EXT005 likely"},
	},
	"pod that no rule recognises": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodPending
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "app"}
			p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "SomethingNew", Message: "of a later kubelet"}
		}), ""),
		[]string{"undetermined web"},
	},
	"end for a volume that the process may not use, logged in the second of the end": {
		snapshot(with(app(death(1, "Error", 100, 300)), func(p *corev1.Pod) {
			p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
			p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nas", Path: "/x"}}}}
		}), "2026-11-23T17:55:00.9Z touch: /data/x: Permission denied\n"),
		[]string{"STO023 possible > EXT013 likely"},
	},
	"pod that waits for a claim without a class, made after the pod": {
		func() *evidence.Snapshot {
			pod := with(app(nil), func(p *corev1.Pod) {
				p.Spec.NodeName, p.Spec.Volumes = "", []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
				}}}
				p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", LastTransitionTime: at(0),
					Message: "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
				}}}
			})
			class := "fast"
			claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "shop", CreationTimestamp: at(30)}}
			claim.Spec.StorageClassName, claim.Status.Phase = &class, corev1.ClaimPending
			s := snapshot(pod, "")
			s.Objects, s.Absent = append(s.Objects, claim), []evidence.Ref{evidence.RefTo("StorageClass", "", class)}
			return s.Freeze()
		}(),
		[]string{"STO002 certain > SCH012 certain"},
	},
	"pod that waits at a gate": {
		snapshot(with(app(nil), func(p *corev1.Pod) {
			p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "SchedulingGated"}}}
		}), ""),
		[]string{"SCH013 certain"},
	},
	"restart of the node that somebody else than the kubelet wrote": {
		func() *evidence.Snapshot {
			e := event("Rebooted", "Node n1 has been rebooted, boot id: b", 200, 200, 1)
			e.InvolvedObject = corev1.ObjectReference{Kind: "Node", Name: "n1"}
			e.Namespace, e.Source, e.ReportingController = "default", corev1.EventSource{Component: "mallory"}, "mallory"
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
			s := &evidence.Snapshot{Taken: taken, Objects: []evidence.Object{app(death(255, "Unknown", 100, 200)), node}, Events: []*corev1.Event{e}}
			s.Has = evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Node
			return s.Freeze()
		}(),
		[]string{"EXT008 possible", "undetermined app"},
	},
	"end unseen long before the node restarted": {
		func() *evidence.Snapshot {
			e := event("Rebooted", "Node n1 has been rebooted, boot id: b", 500, 500, 1)
			e.InvolvedObject = corev1.ObjectReference{Kind: "Node", Name: "n1"}
			e.Namespace = "default"
			s := snapshot(app(death(255, "Unknown", 100, 200)), "", e)
			return s
		}(),
		[]string{"EXT008 possible", "undetermined app"},
	},
}

func TestLookalikes(t *testing.T) {
	for name, test := range lookalikes {
		t.Run(name, func(t *testing.T) {
			got := chains(test.s)
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("causes differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHowItFailed wants the words about a failed probe to be those of the run that it ended.
func TestHowItFailed(t *testing.T) {
	timeout := event("Unhealthy", "Liveness probe failed: command timed out: \"true\" timed out after 1s", 300, 489, 9)
	refused := event("Unhealthy", "Liveness probe failed: dial tcp: connect: connection refused", 505, 560, 4)
	s := snapshot(app(death(143, "Error", 100, 490)), "", timeout, refused, event("Killing", liveness, 489, 489, 1))
	r := diagnosis.Examine(s, rules.All())
	if len(r.Causes) != 1 || !strings.Contains(r.Causes[0].Message, "it timed out") {
		t.Errorf("%d causes, the first: %v", len(r.Causes), r.Causes)
	}
}

// TestWhatRoseFirst wants throttling, or a stall, to explain a probe that failed after it began, and not one that had failed before.
func TestWhatRoseFirst(t *testing.T) {
	failed := event("Unhealthy", "Liveness probe failed: Get \"http://x\": context deadline exceeded", 460, 489, 3)
	for name, c := range map[string]struct {
		fact  string
		began int
		want  string
	}{
		"throttled before":   {"began.cpu.throttled", 400, "USE002 likely > PRB001 certain > EXT006 certain"},
		"throttled after":    {"began.cpu.throttled", 470, "PRB001 certain > EXT006 certain"},
		"no memory before":   {"began.psi.memory.full", 400, "USE004 likely > PRB001 certain > EXT006 certain"},
		"no memory after":    {"began.psi.memory.full", 470, "PRB001 certain > EXT006 certain"},
		"slow disks before":  {"began.psi.io.full", 400, "USE005 likely > PRB001 certain > EXT006 certain"},
		"slow disks after":   {"began.psi.io.full", 470, "PRB001 certain > EXT006 certain"},
		"something else yet": {"cpu.throttled", 400, "PRB001 certain > EXT006 certain"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := app(death(143, "Error", 100, 490))
			pod.Spec.Containers[0].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("100m")
			s := &evidence.Snapshot{
				Taken: taken, Subject: evidence.RefOf(pod), Objects: []evidence.Object{pod}, Events: []*corev1.Event{failed, event("Killing", liveness, 489, 489, 1)},
				Has: evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Node | evidence.Usage,
				Facts: []evidence.Fact{{
					Kind: evidence.Usage, Source: evidence.FromMetric, About: evidence.RefOf(pod).InContainer("app").InAttempt(0),
					At: at(c.began).Time, Where: "cgroup", Name: c.fact, Text: "as sampled", Value: 0.8,
				}},
			}
			if got := chains(s.Freeze()); len(got) != 1 || got[0] != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestStartErrors wants a container that could not be started for its mounts not to be blamed on its command.
func TestStartErrors(t *testing.T) {
	for message, want := range map[string]string{
		`runc create failed: unable to start container process: error during container init: exec: "srv": executable file not found in $PATH`:                                         "no such program",
		`runc create failed: unable to start container process: error during container init: error mounting "/v" to rootfs at "/etc/a": mount a: no such file or directory`:           "error mounting",
		`runc create failed: unable to start container process: error during container init: error mounting "proc" to rootfs at "/proc": mount: permission denied`:                    "error mounting",
		`runc create failed: unable to start container process: can't copy bootstrap data to pipe: write init-p: broken pipe`:                                                         "could not be started",
		`runc create failed: unable to start container process: error during container init: exec /run: permission denied`:                                                            "not executable",
		`runc create failed: unable to start container process: container init was OOM-killed (memory limit too low?)`:                                                                "too low",
		`runc create failed: unable to start container process: error during container init: unable to apply apparmor profile: write /proc/self/attr/exec: no such file or directory`: "apparmor",
	} {
		d := death(128, "StartError", -1, 300)
		d.Message = "failed to create containerd task: failed to create shim task: OCI runtime create failed: " + message
		r := diagnosis.Examine(snapshot(app(d), ""), rules.All())
		if len(r.Causes) != 1 || !strings.Contains(r.Causes[0].Message, want) || strings.Contains(r.Causes[0].Message, "no such program") != (want == "no such program") {
			t.Errorf("%s:\n%d causes, the first: %v, want %q", message, len(r.Causes), r.Causes, want)
		}
	}
}

// TestANodeNotReadyHasOneCause wants what the kubelet says of its runtime to be why the node is not ready, and not a second cause: one
// condition tells both.
func TestANodeNotReadyHasOneCause(t *testing.T) {
	for message, want := range map[string]string{
		"container runtime is down": "NOD004 certain > NOD001 certain",
		"PLEG is not healthy: pleg was last seen active 9m2s ago; threshold is 3m0s": "NOD003 certain > NOD001 certain",
		"something else": "NOD001 certain",
	} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady", Message: message, LastTransitionTime: at(100)}}
		s := &evidence.Snapshot{Taken: taken, Subject: evidence.RefOf(node), Objects: []evidence.Object{node}, Has: evidence.Node | evidence.Status | evidence.Spec}
		if got := chains(s.Freeze()); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", message, got, want)
		}
	}
}
