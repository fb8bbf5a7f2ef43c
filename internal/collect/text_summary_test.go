// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestSummaries reads one pod in the shapes of several tools.
func TestSummaries(t *testing.T) {
	for name, text := range map[string]string{
		"flat":   `{"pods": [{"name": "web-0", "namespace": "shop", "phase": "Running", "node_name": "n1", "containers": [{"name": "app", "ready": false, "restart_count": 4, "state": {"waiting": true, "reason": "CrashLoopBackOff", "message": "last terminated: reason=OOMKilled, exit_code=137", "exit_code": 137}}]}]}`,
		"nested": `[{"podName": "web-0", "ns": "shop", "status": "CrashLoopBackOff", "node": "n1", "restarts": 4, "containers": [{"name": "app", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}]`,
		"words":  `{"result": {"items": 1, "pod": {"pod_name": "web-0", "namespace": "shop", "phase": "Running", "nodeName": "n1", "containers": [{"container": "app", "restarts": 4, "state": "waiting", "reason": "CrashLoopBackOff", "last_state": {"reason": "OOMKilled", "exit_code": 137}}]}}}`,
		"yaml":   "pods:\n- name: web-0\n  namespace: shop\n  phase: Running\n  node: n1\n  containers:\n  - name: app\n    restart_count: 4\n    state: waiting\n    reason: CrashLoopBackOff\n    last_state: {terminated: {exit_code: 137, reason: OOMKilled}}\n",
	} {
		s, err := pipeOf(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		pod, ok := evidence.Get[*corev1.Pod](s, "shop", "web-0")
		if !ok {
			t.Errorf("%s: objects are %s", name, namesOf(s))
			continue
		}
		deaths := s.Deaths(evidence.RefOf(pod))
		if pod.Spec.NodeName != "n1" || len(deaths) != 1 || deaths[0].ExitCode != 137 || deaths[0].Reason != "OOMKilled" || deaths[0].Of.Attempt != 4 {
			t.Errorf("%s: %+v of pod on %s", name, deaths, pod.Spec.NodeName)
		}
	}
}

const summarised = `{
  "deployments": [{"name": "web", "namespace": "shop", "desired": 3, "ready": 2, "available": 2, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}],
  "nodes": [{"name": "n1", "ready": "False", "memory_pressure": "True", "allocatable_cpu": "2", "taints": [{"key": "a", "effect": "NoSchedule"}, "b=c:NoExecute"]}],
  "warning_events": [{"namespace": "shop", "reason": "FailedCreate", "message": "exceeded quota", "type": "Warning", "count": 3, "involved_object": "ReplicaSet/web-6c4ab5d9c9", "first_time": "2026-08-24T10:00:00Z", "last_time": "2026-08-24T10:05:00Z"}],
  "pods": [{"name": "web-6c4ab5d9c9-x7gr9", "namespace": "shop", "phase": "Running", "containers": [{"name": "app", "ready": true, "state": {"running": true}}]}],
  "pvcs": [{"name": "data", "namespace": "shop", "status": "Pending", "storage_class": "fast"}],
  "logs": [{"timestamp": "2026-08-24T10:04:00Z", "message": "listening", "tags": ["kube_namespace:shop", "pod_name:web-6c4ab5d9c9-x7gr9"]}]
}`

func TestSummaryOfManyThings(t *testing.T) {
	s, err := pipeOf(t, summarised)
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(s); got != "deployment/web node/n1 persistentvolumeclaim/data pod/web-6c4ab5d9c9-x7gr9 replicaset/web-6c4ab5d9c9" {
		t.Errorf("objects are %s", got)
	}
	pod := evidence.RefTo("Pod", "shop", "web-6c4ab5d9c9-x7gr9")
	if top := s.TopOwner(pod); top.String() != "deployment/web" {
		t.Errorf("the pod is of %s", top)
	}
	events := s.EventsAbout(evidence.RefTo("ReplicaSet", "shop", "web-6c4ab5d9c9"))
	if len(events) != 1 || events[0].Count != 3 || events[0].Last.Minute() != 5 {
		t.Errorf("Events %+v, taken %s", events, s.Taken)
	}
	if len(s.Logs) != 1 || !strings.Contains(s.Logs[0].Text, "listening") || s.Logs[0].Of.Container != "app" {
		t.Errorf("logs %+v", s.Logs)
	}
	node, _ := evidence.Get[*corev1.Node](s, "", "n1")
	if len(node.Spec.Taints) != 2 || len(node.Status.Conditions) != 2 {
		t.Errorf("node %+v", node)
	}
	if !slices.ContainsFunc(s.Gaps, func(g evidence.Gap) bool { return g.About == pod && g.Kind == evidence.Changes }) {
		t.Errorf("nothing says that the pod is only summarised: %v", s.Gaps)
	}
}

// TestSummariesAreNoSecretDoor reads what must be masked.
func TestSummariesAreNoSecretDoor(t *testing.T) {
	s, err := pipeOf(t, `{"pod_name": "web-0", "namespace": "shop", "phase": "Running", "containers": [{"name": "app", "state": {"waiting": true, "reason": "Error", "message": "password=hunter2hunter2"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	pod, _ := evidence.Get[*corev1.Pod](s, "shop", "web-0")
	if w := pod.Status.ContainerStatuses[0].State.Waiting; strings.Contains(w.Message, "hunter2") {
		t.Errorf("not masked: %s", w.Message)
	}
}

func FuzzSummary(f *testing.F) {
	f.Add(summarised)
	f.Add(`[{"name": "a", "status": {"containerStatuses": [{"name": "b", "state": {"terminated": {"exitCode": "x"}}}]}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		g := newGathering(0)
		if err := g.value(document{name: "pods.json"}, []byte(text)); err != nil {
			return
		}
		g.bound++
		s, err := g.snapshot(noon())
		if err != nil {
			return
		}
		if _, err := Files(s); err != nil {
			t.Errorf("it cannot be written: %v", err)
		}
	})
}
