// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestDrain: the pods of two workloads that leave a node which is drained are one incident, of the node; those that are evicted from a
// node that is open are one of each workload.
func TestDrain(t *testing.T) {
	for fixture, expected := range map[string][]evidence.Ref{
		"EVC011":      {evidence.RefTo("Node", "", "n1")},
		"EVC011-open": {evidence.RefTo("ReplicaSet", "shop", "api-7"), evidence.RefTo("ReplicaSet", "shop", "web-7")},
	} {
		r := newRecorder(t)
		archive, err := txtar.ParseFile("../rules/eviction/testdata/" + fixture + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"web", "api"} {
			files := map[string][]byte{}
			for _, f := range archive.Files {
				if f.Name != "want" {
					files[string(bytes.ReplaceAll([]byte(f.Name), []byte("web"), []byte(name)))] = bytes.ReplaceAll(f.Data, []byte("web"), []byte(name))
				}
			}
			ended := time.Date(2026, 3, 2, 10, 8, 10, 0, time.UTC)
			d := history.Death{
				Cluster: "c", PodUID: name, Of: evidence.RefTo("Pod", "shop", name+"-7-a").InContainer("app").InAttempt(0),
				Workload: evidence.RefTo("ReplicaSet", "shop", name+"-7"), Node: "n1", Finished: ended, Seen: ended, ExitCode: 143,
			}
			v, err := Judge(t.Context(), r.Rules, d, files)
			if err != nil {
				t.Fatal(err)
			}
			v.Settled, d.Verdict = true, &v
			if err := r.Store.Record(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		share(t, r, fixture, expected)
	}
}

// share checks that two pods are in the incidents of the things, and in no others.
func share(t *testing.T, r *Recorder, what string, expected []evidence.Ref) {
	t.Helper()
	page, err := r.Store.Incidents(t.Context(), history.Filter{})
	if err != nil || len(page.Items) != len(expected) {
		t.Fatalf("%s: %v, %d incidents, expected %d: %+v", what, err, len(page.Items), len(expected), page.Items)
	}
	found := map[evidence.Ref]int{}
	for _, in := range page.Items {
		found[in.Thing.Object()] = in.Pods
	}
	for _, thing := range expected {
		if pods := 2 / len(expected); found[thing] != pods {
			t.Errorf("%s: %d pods in the incident of %s, expected %d: %v", what, found[thing], thing, pods, found)
		}
	}
}

// TestDrainInPassing: of pods that are gone before anything is captured, as most are, the watch knows enough of their node.
func TestDrainInPassing(t *testing.T) {
	for closed, expected := range map[bool][]evidence.Ref{
		true:  {evidence.RefTo("Node", "", "n1")},
		false: {evidence.RefTo("Deployment", "shop", "api"), evidence.RefTo("Deployment", "shop", "web")},
	} {
		r := newRecorder(t)
		r.seeNode(apiwatch.Modified, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "n1"}, Spec: corev1.NodeSpec{Unschedulable: closed}})
		for _, name := range []string{"web", "api"} {
			pod, ours, grace := podWith(name, 0, time.Time{}), true, int64(30)
			pod.Name, pod.Labels, pod.Spec.NodeName = name+"-7-a", map[string]string{"pod-template-hash": "7"}, "n1"
			pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: name + "-7", Controller: &ours}}
			r.ledger.See(pod.DeepCopy(), r.Now())
			pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &metav1.Time{Time: r.Now().Add(20 * time.Second)}, &grace
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI", LastTransitionTime: metav1.NewTime(r.Now().Add(-10 * time.Second)),
			})
			pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 143, Reason: "Error", StartedAt: metav1.NewTime(began), FinishedAt: metav1.NewTime(r.Now().Add(-time.Second)),
			}}
			if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now()), gone: true}); err != nil {
				t.Fatal(err)
			}
		}
		share(t, r, fmt.Sprintf("closed %t", closed), expected)
	}
}
