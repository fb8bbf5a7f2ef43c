// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// town is the shop and more: a CronJob, a pod of nobody in another namespace, a node that is not ready, and a
// ReplicaSet that cannot create its pods.
func town() *evidence.Snapshot {
	s := shop()
	two := int32(2)
	job := crashing("backup-1-x")
	job.ObjectMeta = ownedBy(object("shop", "backup-1-x"), "batch/v1", "Job", "backup-1")
	lone := crashing("lone")
	lone.ObjectMeta, lone.Spec.NodeName = labelled(object("bank", "lone"), "safe"), "n2"
	s.Objects = append(s.Objects, job, lone,
		&batchv1.Job{ObjectMeta: ownedBy(object("shop", "backup-1"), "batch/v1", "CronJob", "backup")},
		&batchv1.CronJob{ObjectMeta: object("shop", "backup")},
		&appsv1.ReplicaSet{
			ObjectMeta: ownedBy(object("shop", "big-5"), "apps/v1", "Deployment", "big"), Spec: appsv1.ReplicaSetSpec{Replicas: &two},
		},
		&appsv1.Deployment{ObjectMeta: object("shop", "big")},
		&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: object("shop", "scaler"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}},
		},
		node("n2", corev1.ConditionUnknown), node("n3", corev1.ConditionTrue), node("n4", corev1.ConditionFalse),
		&corev1.Namespace{ObjectMeta: object("", "bank")},
	)
	s.Events = append(s.Events, event("shop", "e7", "ReplicaSet", "big-5", "FailedCreate"))
	return s
}

// selections are questions and what rules are to look at for each.
var selections = []struct {
	name  string
	sel   evidence.Selection
	about string
	asked string
}{
	{"pod", pod("web-7-a"), "pod/web-7-a", "pod/web-7-a"},
	{"pod that is well", pod("web-7-b"), "pod/web-7-b", "pod/web-7-b"},
	{"deployment", named("Deployment", "web"), "deployment/web", "deployment/web pod/web-7-a replicaset/web-7"},
	{"replica set", named("ReplicaSet", "web-7"), "replicaset/web-7", "pod/web-7-a replicaset/web-7"},
	{"deployment without pods", named("Deployment", "big"), "deployment/big", "deployment/big replicaset/big-5"},
	{"cron job", named("CronJob", "backup"), "cronjob/backup", "cronjob/backup job/backup-1 pod/backup-1-x"},
	{"job", named("Job", "backup-1"), "job/backup-1", "job/backup-1 pod/backup-1-x"},
	{"autoscaler", named("HorizontalPodAutoscaler", "scaler"), "deployment/web", "deployment/web pod/web-7-a replicaset/web-7"},
	{"node", named("Node", "n2"), "node/n2", "node/n2 pod/lone"},
	{"namespace", evidence.Selection{Namespace: "shop"}, "namespace/shop", "deployment/big namespace/shop pod/backup-1-x pod/web-7-a replicaset/big-5"},
	{"namespace by name", named("Namespace", "bank"), "namespace/bank", "namespace/bank pod/lone"},
	{"label", evidence.Selection{AllNamespaces: true, Label: "app=safe"}, "cluster", "cluster pod/lone"},
	{"label in a namespace", evidence.Selection{Namespace: "shop", Label: "app=web"}, "namespace/shop", "namespace/shop pod/web-7-a"},
	{"everything", evidence.Selection{AllNamespaces: true}, "cluster", "cluster deployment/big node/n2 node/n4 pod/lone pod/backup-1-x pod/web-7-a replicaset/big-5"},
}

func TestClusterSelects(t *testing.T) {
	for _, test := range selections {
		t.Run(test.name, func(t *testing.T) {
			s := mustAsk(t, apitest.New(t, town()), test.sel)
			if s.Subject.String() != test.about || names(s.Asked) != test.asked {
				t.Errorf("subject %s, asked %s\nwant %s, %s", s.Subject, names(s.Asked), test.about, test.asked)
			}
		})
	}
}

// A file with everything in it answers the same questions about the same things.
func TestSelectAgreesWithCluster(t *testing.T) {
	for _, test := range selections {
		t.Run(test.name, func(t *testing.T) {
			s, err := Select(town().Freeze(), test.sel)
			if err != nil {
				t.Fatal(err)
			}
			if s.Subject.String() != test.about || names(s.Asked) != test.asked {
				t.Errorf("subject %s, asked %s\nwant %s, %s", s.Subject, names(s.Asked), test.about, test.asked)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	s := town()
	s.Asked = []evidence.Ref{evidence.RefTo("Pod", "bank", "lone")}
	same := crashing("lone")
	s.Objects = append(s.Objects, same)
	s.Freeze()
	recorded, err := Select(s, evidence.Selection{NoLogs: true})
	if err != nil || names(recorded.Asked) != "pod/lone" {
		t.Errorf("a question about nothing: asked %s, error %v", names(recorded.Asked), err)
	}
	found, err := Select(s, evidence.Selection{Ref: evidence.RefTo("Deployment", "", "web")})
	if err != nil || found.Subject.Namespace != "shop" {
		t.Errorf("without a namespace: subject %v, error %v", found, err)
	}
	if names(s.Asked) != "pod/lone" {
		t.Error("the snapshot that was narrowed has changed")
	}
	for want, sel := range map[string]evidence.Selection{
		"there is no pod lone, but there is one in bank, shop: name it with -n":      {Ref: evidence.RefTo("Pod", "", "lone")},
		"there is no pod web-7-c in namespace shop, near names are web-7-a, web-7-b": pod("web-7-c"),
		`label selector "a b": unable to parse`:                                      {Namespace: "shop", Label: "a b"},
	} {
		if _, err := Select(s, sel); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"web-5b89859778-9rw7n", "web-5b89859778-gqsbd", "api-0", "api-1", "worker-x-1", "cert-manager-6f4d-abcde"}
	for name, want := range map[string]string{
		"web":          "web-5b89859778-9rw7n web-5b89859778-gqsbd",
		"wob":          "web-5b89859778-9rw7n web-5b89859778-gqsbd",
		"api-2":        "api-0 api-1",
		"cert-manger":  "cert-manager-6f4d-abcde",
		"manager":      "cert-manager-6f4d-abcde",
		"something":    "",
		"worker-x-1-2": "worker-x-1",
	} {
		if got := strings.Join(Nearest(name, names), " "); got != want {
			t.Errorf("nearest to %s: %s, want %s", name, got, want)
		}
	}
}

// With more Events than one page in the namespace, those of the pod and its owners are asked for by UID.
func TestClusterManyEvents(t *testing.T) {
	cluster := shop()
	for i := range pageSize {
		cluster.Events = append(cluster.Events, event("shop", fmt.Sprintf("a%04d", i), "Pod", "noisy", "BackOff"))
	}
	server := apitest.New(t, cluster)
	s := mustAsk(t, server, pod("web-7-a"))
	for _, want := range []string{"event e1", "event e3", "event e5"} {
		if !slices.Contains(holds(s), want) {
			t.Errorf("holds %q, want %s", holds(s), want)
		}
	}
	if len(s.Events) != 3 {
		t.Errorf("%d events", len(s.Events))
	}
	everything := mustAsk(t, server, evidence.Selection{Namespace: "shop"})
	if len(everything.Events) != 3 {
		t.Errorf("of the namespace: %d events", len(everything.Events))
	}
}

// A static pod's Events carry the UID that its kubelet knows it by.
func TestClusterStaticPodEvents(t *testing.T) {
	cluster := shop()
	p := cluster.Objects[0].(*corev1.Pod)
	p.Annotations[configHash] = "0a1b2c"
	p.OwnerReferences = nil
	cluster.Events[0].InvolvedObject.UID = "0a1b2c"
	s := mustAsk(t, apitest.New(t, cluster), pod("web-7-a"))
	if about := s.EventsAbout(s.Subject); len(about) != 1 || about[0].Reason != "BackOff" {
		t.Errorf("Events about the pod: %v; holds %q", about, holds(s))
	}
}

// What many pods need is listed, not asked for one by one.
func TestClusterListsWhatIsMuch(t *testing.T) {
	cluster := shop()
	for i := range 60 {
		name := fmt.Sprintf("p%02d", i)
		p := crashing(name)
		p.OwnerReferences[0].Name = "rs-" + name
		p.Spec.NodeName = "node-" + name
		cluster.Objects = append(cluster.Objects, p, node("node-"+name, corev1.ConditionTrue),
			&appsv1.ReplicaSet{ObjectMeta: object("shop", "rs-"+name)})
	}
	server := apitest.New(t, cluster)
	s := mustAsk(t, server, evidence.Selection{AllNamespaces: true, NoLogs: true})
	if n := len(server.Requests()); n > 20 {
		t.Errorf("%d requests:\n%s", n, strings.Join(server.Requests(), "\n"))
	}
	if n := len(evidence.List[*appsv1.ReplicaSet](s)); n != 61 {
		t.Errorf("%d ReplicaSets", n)
	}
	if n := len(evidence.List[*corev1.Node](s)); n != 61 {
		t.Errorf("%d nodes", n)
	}
	if got := gapsOf(s); len(got) != 1 {
		t.Errorf("gaps %q", got)
	}
}
