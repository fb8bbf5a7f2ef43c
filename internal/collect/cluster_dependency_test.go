// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// calling is the shop whose pod says that something could not be used, with Services and what is behind them.
func calling(said string, more ...evidence.Object) *evidence.Snapshot {
	s := shop()
	s.Objects[0].(*corev1.Pod).Annotations = nil
	s.Logs[0].Text = "2026-03-01T09:59:39Z " + said + "\n"
	service := func(name, ip string) *corev1.Service {
		return &corev1.Service{ObjectMeta: object("shop", name), Spec: corev1.ServiceSpec{
			ClusterIP: ip, Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 5432}},
		}}
	}
	endpoints := &discoveryv1.EndpointSlice{ObjectMeta: object("shop", "db-x")}
	endpoints.Labels = map[string]string{discoveryv1.LabelServiceName: "db"}
	s.Objects = append(s.Objects, service("db", "10.96.0.7"), service("mq", "10.96.0.8"), endpoints,
		&networkingv1.NetworkPolicy{ObjectMeta: object("shop", "deny")}, &appsv1.Deployment{ObjectMeta: object("shop", "db")})
	s.Objects = append(s.Objects, more...)
	return s
}

// database is a pod behind the Service db that crashes.
func database() *corev1.Pod {
	p := crashing("db-0")
	p.ObjectMeta = labelled(object("shop", "db-0"), "db")
	return p
}

func TestClusterFollowsACall(t *testing.T) {
	for _, test := range []struct{ name, said, reads, context string }{
		{"by name", "FATAL: dial tcp: connect to db:5432: connection refused", "endpointslices networkpolicies pods services/db", "pod/db-0"},
		{"by address", "FATAL: dial tcp 10.96.0.7:5432: connect: connection refused", "endpointslices networkpolicies pods services", "pod/db-0"},
		{"in another namespace", "FATAL: dial tcp: connect to db.shop.svc:5432: connection refused", "endpointslices networkpolicies pods services/db", "pod/db-0"},
		{"no such Service", "FATAL: dial tcp: lookup cache on 10.96.0.10:53: no such host", "endpointslices pods services/cache services/kube-dns", ""},
		{"a Service without pods", "FATAL: connect to mq:5432: connection refused", "deployments endpointslices networkpolicies pods services/mq statefulsets", ""},
		{"a host outside", "FATAL: Get https://api.example.com: connection refused", "pods", ""}, // its siblings
		{"nothing of that kind", "FATAL: out of luck", "pods", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.New(t, calling(test.said, database()))
			s := mustAsk(t, server, named("Deployment", "web"))
			if got := looked(server); got != test.reads {
				t.Errorf("read %s, want %s", got, test.reads)
			}
			if got := names(s.Context); got != test.context {
				t.Errorf("context %q, want %q", got, test.context)
			}
			server = apitest.New(t, calling(test.said, database()))
			if got := names(mustAsk(t, server, pod("web-7-a")).Context); got != test.context {
				t.Errorf("context of a pod %q, want %q", got, test.context)
			}
			if n := len(server.Requests()); n > mostForPod {
				t.Errorf("%d requests for a pod:\n%s", n, strings.Join(server.Requests(), "\n"))
			}
		})
	}
}

// looked returns the last parts of the paths that only a call has read.
func looked(server *apitest.Server) string {
	var list []string
	for _, r := range server.Requests() {
		_, at, _ := strings.Cut(r, "/namespaces/")
		_, at, _ = strings.Cut(at, "/")
		at, selector, _ := strings.Cut(at, "?")
		usual := strings.HasPrefix(at, "pods/") || at == "deployments/web" || at == "pods" && !strings.Contains(selector, "labelSelector")
		for _, part := range []string{"services", "endpointslices", "networkpolicies", "pods", "deployments", "statefulsets"} {
			if (at == part || strings.HasPrefix(at, part+"/")) && !usual {
				list = append(list, at)
			}
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

func TestClusterReadsWhatRunsWhereNothingEnded(t *testing.T) {
	s := shop()
	s.Objects = slices.DeleteFunc(s.Objects, func(o evidence.Object) bool { return o.GetName() == "web-7-a" })
	of := evidence.RefTo("Pod", "shop", "web-7-b").InContainer("app").InAttempt(0)
	s.Logs = []evidence.Log{{Of: of, Text: "ERROR connect to db:5432: connection refused\n"}}
	server := apitest.New(t, s)
	got := mustAsk(t, server, named("Deployment", "web"))
	if len(got.Logs) != 1 || names(got.Context) != "pod/web-7-b" {
		t.Errorf("%d logs, context %q", len(got.Logs), names(got.Context))
	}
	if got := mustAsk(t, server, evidence.Selection{Namespace: "shop"}); len(got.Logs) != 0 {
		t.Errorf("%d logs for a namespace in which all is well", len(got.Logs))
	}
}

func TestACallThatMayNotBeFollowedIsAGap(t *testing.T) {
	server := apitest.New(t, calling("FATAL: connect to db:5432: connection refused", database()))
	server.Fail("/services/db", http.StatusForbidden, "no")
	if got := gapsOf(mustAsk(t, server, pod("web-7-a"))); !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, "forbidden: cannot get services") }) {
		t.Errorf("gaps %q", got)
	}
}

func TestEventsOfANamespaceAreListedOnce(t *testing.T) {
	db := database()
	pulled := &corev1.Event{ObjectMeta: object("shop", "db-0.1"), Reason: "BackOff", InvolvedObject: corev1.ObjectReference{
		Kind: "Pod", Namespace: "shop", Name: db.Name, UID: db.UID,
	}}
	s := calling("FATAL: connect to db:5432: connection refused", db)
	s.Events = append(s.Events, pulled)
	server := apitest.New(t, s)
	got := mustAsk(t, server, named("Deployment", "web"))
	lists := slices.DeleteFunc(server.Requests(), func(r string) bool { return !strings.Contains(r, "namespaces/shop/events") })
	if len(lists) != 1 {
		t.Errorf("Events were listed %d times:\n%s", len(lists), strings.Join(lists, "\n"))
	}
	if !slices.ContainsFunc(got.Events, func(e *corev1.Event) bool { return e.Name == pulled.Name }) {
		t.Errorf("the Event of the pod behind the Service is missing")
	}
}

func TestUsageIsListedOnceForAllBusyNodes(t *testing.T) {
	s := shop()
	for _, name := range []string{"n1", "n2"} {
		node := &corev1.Node{ObjectMeta: object("", name), Status: corev1.NodeStatus{Capacity: corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("2")}}}
		use := &metricsv1.NodeMetrics{ObjectMeta: object("", name), Usage: corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("1900m")}}
		s.Objects = slices.DeleteFunc(s.Objects, func(o evidence.Object) bool { return o.GetNamespace() == "" && o.GetName() == name })
		s.Objects = append(s.Objects, node, use)
	}
	second := crashing("web-7-c")
	second.Spec.NodeName = "n2"
	s.Objects = append(s.Objects, second)
	server := apitest.New(t, s)
	mustAsk(t, server, evidence.Selection{})
	lists := slices.DeleteFunc(server.Requests(), func(r string) bool { return !strings.HasPrefix(r, "GET /apis/metrics.k8s.io/v1beta1/pods?") })
	if len(lists) != 1 {
		t.Errorf("usage was listed %d times:\n%s", len(lists), strings.Join(server.Requests(), "\n"))
	}
}

// TestClusterFollowsACallBesideAnAgent: what is behind a Service is asked for before what a pod is only compared with. Why a program ended
// does not depend on whether an agent was asked as well.
func TestClusterFollowsACallBesideAnAgent(t *testing.T) {
	for _, test := range []struct{ name, said, last string }{
		{"a Service without pods", "FATAL: dial tcp 10.96.0.8:5432: connect: connection refused", "GET /apis/apps/v1/namespaces/shop/statefulsets?"},
		{"pods that crash", "FATAL: dial tcp 10.96.0.7:5432: connect: connection refused", "GET /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := besideAgent(t, calling(test.said, database()), "t", nil, func(*apitest.Server) {})
			s := mustAsk(t, server, pod("web-7-a"))
			asked := server.Requests()
			read := func(start string) bool {
				return slices.ContainsFunc(asked, func(r string) bool { return strings.HasPrefix(r, start) })
			}
			if len(asked) != mostForPod || !read(test.last) || !read("GET /api/v1/namespaces/inquest/pods/https:inquest-agent-x") || s.Has&evidence.Host == 0 {
				t.Errorf("has %s, %d requests:\n%s", s.Has, len(asked), strings.Join(asked, "\n"))
			}
		})
	}
}
