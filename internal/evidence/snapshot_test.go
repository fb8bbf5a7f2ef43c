// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func owned(kind, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}
}

// shop is a pod on node n1, under a ReplicaSet under a Deployment.
func shop() *Snapshot {
	pod := podWith(corev1.ContainerStatus{State: corev1.ContainerState{Terminated: terminated(1, "Error", -20, -10)}})
	pod.OwnerReferences = owned("ReplicaSet", "web-1")
	pod.Spec.NodeName = "n1"
	return (&Snapshot{
		Taken: noon,
		Objects: []Object{
			pod,
			&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", OwnerReferences: owned("Deployment", "web")}},
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}},
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}},
		},
		Events: []*corev1.Event{kubeletEvent(1, "Started", "Container started", -20, -20, 1)},
		Facts:  []Fact{{Kind: Host, Source: FromKernel, About: RefTo("Node", "", "n1"), At: noon, Text: "oom-kill"}},
	}).Freeze()
}

func TestCovers(t *testing.T) {
	s := shop()
	pod, node := RefTo("Pod", "shop", "web"), RefTo("Node", "", "n1")
	for _, tt := range []struct {
		a, b Ref
		want bool
	}{
		{Cluster, pod, true},
		{pod, Cluster, false},
		{RefTo("Namespace", "", "shop"), pod, true},
		{RefTo("Namespace", "", "other"), pod, false},
		{node, web.InAttempt(0), true},
		{RefTo("Node", "", "n2"), pod, false},
		{pod, node, false},
		{RefTo("Deployment", "shop", "web"), web, true},
		{RefTo("ReplicaSet", "shop", "web-1"), RefTo("Deployment", "shop", "web"), false},
		{pod, web, true},
		{web, pod, false},
		{web, web.InAttempt(2), true},
		{web.InAttempt(2), web, true},
		{web.InAttempt(2), web.InAttempt(3), false},
		{web, pod.InContainer("sidecar"), false},
	} {
		if got := s.Covers(tt.a, tt.b); got != tt.want {
			t.Errorf("%s covers %s is %t", tt.a, tt.b, got)
		}
	}
}

// TestFreezeAgain: of what is taken out of a snapshot nothing is found once it is frozen again, and the first of a name stays.
func TestFreezeAgain(t *testing.T) {
	s := shop()
	if len(s.EventsAbout(web)) == 0 || len(List[*corev1.Node](s)) != 1 {
		t.Fatal("the snapshot lacks its Event or its node")
	}
	node := s.Objects[slices.IndexFunc(s.Objects, func(o Object) bool { return o.GetName() == "n1" })]
	s.Events, s.Objects = nil, []Object{node, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}
	s.Freeze()
	if got := s.EventsAbout(web); len(got) > 0 {
		t.Errorf("Events that are gone are found: %v", got)
	}
	if got := s.Object(RefTo("Node", "", "n1")); got != node || len(s.Objects) != 1 {
		t.Errorf("of two nodes of one name the first is to stay, not %v of %d", got, len(s.Objects))
	}
	if got := s.Object(RefTo("Deployment", "shop", "web")); got != nil {
		t.Errorf("a Deployment that is gone is found: %v", got)
	}
}

func TestTopOwner(t *testing.T) {
	if got := shop().TopOwner(web); got != RefTo("Deployment", "shop", "web") {
		t.Errorf("top owner is %s", got)
	}
}

func TestKindAndSourceNamesAreRead(t *testing.T) {
	all := Changes<<1 - 1
	if got := ParseKind(all.String()); got != all {
		t.Errorf("kinds %s read as %s", all, got)
	}
	for s := FromSpec; s <= FromKernel; s++ {
		if got, err := ParseSource(s.String()); err != nil || got != s {
			t.Errorf("source %s read as %s, %v", s, got, err)
		}
	}
	if _, err := ParseSource("rumour"); err == nil {
		t.Error("an unknown source is read")
	}
}

func TestEventOfReadsBothAPIs(t *testing.T) {
	scheduled := &corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "web"},
		EventTime:      metav1.NewMicroTime(noon), ReportingController: "default-scheduler",
		Series: &corev1.EventSeries{Count: 3, LastObservedTime: metav1.NewMicroTime(noon.Add(60e9))},
	}
	ev := EventOf(scheduled)
	if !ev.First.Equal(noon) || !ev.Last.Equal(noon.Add(60e9)) || ev.Count != 3 || ev.Reporter != "default-scheduler" {
		t.Errorf("read as %+v", ev)
	}
	ev = EventOf(kubeletEvent(1, "Killing", livenessKill, -20, -10, 2))
	if ev.About != web || !ev.Last.Equal(at(-10).Time) || ev.Count != 2 {
		t.Errorf("read as %+v", ev)
	}
}
