// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// aWorkload is a Deployment with pods of two revisions, as it was captured with a death of one of them.
func aWorkload(t *testing.T, pods int, without string) map[string][]byte {
	t.Helper()
	owned := func(kind, name string) []metav1.OwnerReference {
		yes := true
		return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, Controller: &yes}}
	}
	s := &evidence.Snapshot{Taken: noon, Has: evidence.Spec | evidence.Status, Objects: []evidence.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}},
		&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "shop", OwnerReferences: owned("Deployment", "web")}},
		&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-2", Namespace: "shop", OwnerReferences: owned("Deployment", "web")}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "stranger", Namespace: "shop"}},
	}}
	for i := range pods {
		ready := corev1.ConditionTrue
		if i == 1 {
			ready = corev1.ConditionFalse
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("web-%d-%02d", 1+i%2, i), Namespace: "shop", OwnerReferences: owned("ReplicaSet", fmt.Sprintf("web-%d", 1+i%2))},
			Spec:       corev1.PodSpec{NodeName: fmt.Sprintf("n%d", i%3), Containers: []corev1.Container{{Name: "proxy", Image: "proxy:1"}, {Name: "app", Image: fmt.Sprintf("app:%d", 1+i%2)}}},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
				ContainerStatuses:     []corev1.ContainerStatus{{Name: "proxy", RestartCount: 1}, {Name: "app", RestartCount: int32(i)}},
				InitContainerStatuses: []corev1.ContainerStatus{{Name: "init", RestartCount: 1}},
			},
		}
		if pod.Name != without {
			s.Objects = append(s.Objects, pod)
		}
	}
	files, err := collect.Files(s.Freeze())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// diedOf is a death of a pod of the Deployment web.
func diedOf(pod string, n int, bundle map[string][]byte) history.Death {
	d := died("shop", pod, n)
	d.Of, d.Workload, d.Node = evidence.RefTo("Pod", "shop", pod).InContainer("app").InAttempt(n), evidence.RefTo("Deployment", "shop", "web"), "n9"
	d.Finished = noon.Add(time.Duration(n) * time.Second)
	d.Seen, d.Verdict.Thing, d.Verdict.Bundle = d.Finished, d.Workload, bundle
	return d
}

// TestSiblings: the other pods of a workload are there whatever their revision, and so are those that died of the same.
func TestSiblings(t *testing.T) {
	other := diedOf("cart-0", 1, nil)
	other.Workload, other.PodUID = evidence.RefTo("StatefulSet", "shop", "cart"), "cart"
	h := console(t, other, diedOf("web-2-03", 2, nil), diedOf("web-2-01", 3, aWorkload(t, 6, "")))
	page, body := onlyIncident(t, h, "shop")
	var got []string
	for _, p := range page.Siblings {
		got = append(got, fmt.Sprintf("%s %s %s %t %d %s %t %d", p.Name, p.Node, p.Phase, p.Ready, p.Restarts, p.Image, p.Own, p.Deaths))
	}
	want := `web-2-01 n1 Running false 3 app:2 true 1
web-2-03 n0 Running true 5 app:2 false 1
cart-0 n9  false 0 cart-0 false 1
web-2-05 n2 Running true 7 app:2 false 0
web-1-04 n1 Running true 6 app:1 false 0
web-1-02 n2 Running true 4 app:1 false 0
web-1-00 n0 Running true 2 app:1 false 0`
	if strings.Join(got, "\n") != want {
		t.Errorf("the siblings are\n%s", strings.Join(got, "\n"))
	}
	contains(t, "the incident", body, "<strong>web-2-01</strong> (this one)", "Running, not ready", "not looked at then", fmt.Sprintf(`<a href="/deaths/%d">1×, the latest</a>`, page.Siblings[1].Death))
	if strings.Contains(body, "stranger") {
		t.Error("a pod of its own is a sibling")
	}
	_, body, _ = get(t, h, "shop", fmt.Sprintf("/deaths/%d", page.Of))
	contains(t, "the death", body, "<strong>web-2-01</strong> (this one)", "web-1-04")
}

// TestSiblingsOfMany: of a large workload the pod itself is there, and it is said how many are not.
func TestSiblingsOfMany(t *testing.T) {
	page, body := onlyIncident(t, console(t, diedOf("web-1-00", 1, aWorkload(t, 70, ""))), "*")
	if len(page.Siblings) != mostSiblings || page.MoreSiblings != 20 || !page.Siblings[0].Own || page.Siblings[0].Name != "web-1-00" {
		t.Errorf("%d and %d more, the first is %+v", len(page.Siblings), page.MoreSiblings, page.Siblings[0])
	}
	contains(t, "the incident", body, "and 20 more")
}

// TestSiblingsOfTheGone: a pod that was gone when it was looked at has those of its workload.
func TestSiblingsOfTheGone(t *testing.T) {
	page, _ := onlyIncident(t, console(t, diedOf("web-1-00", 1, aWorkload(t, 3, "web-1-00"))), "*")
	if len(page.Siblings) != 3 || page.Siblings[0].Name != "web-1-00" || !page.Siblings[0].Own || page.Siblings[0].Phase != "" {
		t.Errorf("the siblings are %+v", page.Siblings)
	}
}
