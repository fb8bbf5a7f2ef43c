// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// now is when the tests' clusters are looked at.
var now = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// patient are limits of time for tests in which everything answers, on however busy a machine.
var patient = limits{object: time.Minute, log: time.Minute, visit: 2 * time.Minute, lag: time.Millisecond}

func ask(t *testing.T, server *apitest.Server, sel evidence.Selection) (*evidence.Snapshot, error) {
	t.Helper()
	return askWithin(t, patient, server, sel)
}

func askWithin(t *testing.T, within limits, server *apitest.Server, sel evidence.Selection) (*evidence.Snapshot, error) {
	t.Helper()
	c := Cluster{Config: server.Config(), Now: func() time.Time { return now.Add(300 * time.Millisecond) }, limits: within}
	return c.Snapshot(t.Context(), sel)
}

func mustAsk(t *testing.T, server *apitest.Server, sel evidence.Selection) *evidence.Snapshot {
	t.Helper()
	s, err := ask(t, server, sel)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pod(name string) evidence.Selection {
	return evidence.Selection{Ref: evidence.RefTo("Pod", "shop", name)}
}

func named(kind, name string) evidence.Selection {
	return evidence.Selection{Ref: evidence.RefTo(kind, "shop", name)}
}

func object(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
		Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: `{"huge":true}`, limitRanger: "memory limit for container app"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}
}

func ownedBy(m metav1.ObjectMeta, apiVersion, kind, name string) metav1.ObjectMeta {
	yes := true
	m.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: &yes,
	}}
	return m
}

func labelled(m metav1.ObjectMeta, app string) metav1.ObjectMeta {
	m.Labels = map[string]string{"app": app}
	return m
}

// crashing is a pod of ReplicaSet web-7 on node n1 whose container has run three times and waits for the fourth.
func crashing(name string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: labelled(ownedBy(object("shop", name), "apps/v1", "ReplicaSet", "web-7"), "web"),
		Spec: corev1.PodSpec{
			NodeName: "n1", ServiceAccountName: "default", RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{
				Name: "app",
				EnvFrom: []corev1.EnvFromSource{
					{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "conf"}}},
					{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}},
				},
			}},
		},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "app", RestartCount: 3, ImageID: "sha256:1",
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: exit(3, 20*time.Second)},
			}},
		},
	}
	p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: rootCA},
		}}},
	}}}}
	return p
}

// exit is the end of a run of ten seconds that long ago.
func exit(code int32, ago time.Duration) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: "Error",
		StartedAt: metav1.NewTime(now.Add(-ago - 10*time.Second)), FinishedAt: metav1.NewTime(now.Add(-ago)),
	}
}

// well is a pod of the same ReplicaSet that has no trouble.
func well(name string) *corev1.Pod {
	p := crashing(name)
	p.Status.ContainerStatuses[0] = corev1.ContainerStatus{
		Name: "app", Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-time.Hour))}},
	}
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
	return p
}

func event(namespace, name, kind, about, reason string) *corev1.Event {
	involved := namespace
	if kind == "Node" {
		involved = ""
	}
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, Name: name},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: involved, Name: about, UID: types.UID("uid-" + about)},
		Reason:         reason, Message: "something about " + about, Type: corev1.EventTypeWarning,
		LastTimestamp: metav1.NewTime(now.Add(-time.Minute)),
	}
}

// logOf is a log of the pod web-7-a with a line in the middle of each of the last ten seconds of a run that ended that long ago.
func logOf(attempt int, ago time.Duration) evidence.Log {
	var text strings.Builder
	for i := 10; i > 0; i-- {
		at := now.Add(-ago - time.Duration(i)*time.Second).Add(500 * time.Millisecond)
		fmt.Fprintf(&text, "%s line of attempt %d\n", at.Format(time.RFC3339Nano), attempt)
	}
	return evidence.Log{Of: evidence.RefTo("Pod", "shop", "web-7-a").InContainer("app").InAttempt(attempt), Text: text.String()}
}

func node(name string, status corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: object("", name),
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}},
	}
}

// shop is a cluster with a Deployment of one crashing pod and one that is well.
func shop() *evidence.Snapshot {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	one := int32(1)
	return &evidence.Snapshot{
		Taken: now, Has: evidence.Usage,
		Objects: []evidence.Object{
			crashing("web-7-a"), well("web-7-b"),
			&appsv1.ReplicaSet{
				ObjectMeta: labelled(ownedBy(object("shop", "web-7"), "apps/v1", "Deployment", "web"), "web"),
				Spec:       appsv1.ReplicaSetSpec{Selector: selector, Replicas: &one},
			},
			&appsv1.Deployment{ObjectMeta: object("shop", "web"), Spec: appsv1.DeploymentSpec{Selector: selector}},
			node("n1", corev1.ConditionTrue),
			&coordinationv1.Lease{ObjectMeta: object(corev1.NamespaceNodeLease, "n1")},
			&corev1.ConfigMap{ObjectMeta: object("shop", "conf"), Data: map[string]string{"mode": "hunter2"}},
			&corev1.Secret{ObjectMeta: object("shop", "keys"), Data: map[string][]byte{"key": []byte("hunter3")}},
			&corev1.ServiceAccount{ObjectMeta: object("shop", "default")},
			&corev1.ResourceQuota{ObjectMeta: object("shop", "quota")},
			&corev1.LimitRange{ObjectMeta: object("shop", "limits")},
			&metricsv1.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-7-a"}},
			&corev1.Namespace{ObjectMeta: object("", "shop")},
		},
		Events: []*corev1.Event{
			event("shop", "e1", "Pod", "web-7-a", "BackOff"),
			event("shop", "e2", "Pod", "web-7-b", "Pulled"),
			event("shop", "e3", "ReplicaSet", "web-7", "SuccessfulCreate"),
			event("shop", "e4", "Deployment", "other", "ScalingReplicaSet"),
			event("default", "e5", "Node", "n1", "NodeHasDiskPressure"),
			event("default", "e6", "Node", "n2", "NodeNotReady"),
		},
		Logs: []evidence.Log{logOf(3, 20*time.Second)},
	}
}

// holds lists what a snapshot has read, a line a thing.
func holds(s *evidence.Snapshot) []string {
	var list []string
	for _, o := range s.Objects {
		list = append(list, describe(evidence.RefOf(o)))
	}
	for _, e := range s.Events {
		list = append(list, "event "+e.Name)
	}
	for _, l := range s.Logs {
		list = append(list, "log "+l.Of.String())
	}
	return list
}

func gapsOf(s *evidence.Snapshot) []string {
	var list []string
	for _, g := range s.Gaps {
		if g.Kind != evidence.Host && g.Kind != evidence.Control {
			list = append(list, fmt.Sprintf("%s of %s: %s", g.Kind, g.About, g.Why))
		}
	}
	return list
}

func names(refs []evidence.Ref) string {
	var list []string
	for _, r := range refs {
		list = append(list, r.String())
	}
	return strings.Join(list, " ")
}
