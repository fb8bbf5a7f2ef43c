// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestClusterReadsWhatSurroundsAPod(t *testing.T) {
	server := apitest.New(t, shop())
	s := mustAsk(t, server, pod("web-7-a"))
	want := []string{
		"configmap/conf in namespace shop", "deployment/web in namespace shop", "lease/n1 in namespace kube-node-lease",
		"limitrange/limits in namespace shop", "node/n1", "pod/web-7-a in namespace shop", "pod/web-7-b in namespace shop",
		"podmetrics/web-7-a in namespace shop", "replicaset/web-7 in namespace shop",
		"event e5", "event e1", "event e2", "event e3", "log pod/web-7-a[app]#3",
	}
	if diff := cmp.Diff(want, holds(s)); diff != "" {
		t.Errorf("what was read (-want +got):\n%s", diff)
	}
	if got := gapsOf(s); len(got) > 0 {
		t.Errorf("gaps: %q", got)
	}
	wantHas := evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Usage | evidence.Node
	if s.Has != wantHas {
		t.Errorf("has %s, want %s", s.Has, wantHas)
	}
	if got := names(s.Asked); got != "pod/web-7-a" || s.Subject != s.Asked[0] {
		t.Errorf("asked %s, subject %s", got, s.Subject)
	}
	if !s.Taken.Equal(now) {
		t.Errorf("taken %s, want whole seconds", s.Taken)
	}
	if got := s.Attempts(s.Subject)[0].Log.Text; !strings.Contains(got, "line of attempt 3") {
		t.Errorf("log of the attempt: %q", got)
	}
}

func TestClusterKeepsNoSecrets(t *testing.T) {
	server := apitest.New(t, shop())
	s := mustAsk(t, server, pod("web-7-a"))
	conf, _ := evidence.Get[*corev1.ConfigMap](s, "shop", "conf")
	if diff := cmp.Diff(map[string]string{"mode": ""}, conf.Data); diff != "" {
		t.Errorf("ConfigMap (-want +got):\n%s", diff)
	}
	for _, o := range s.Objects {
		if len(o.GetManagedFields()) > 0 || o.GetAnnotations()[corev1.LastAppliedConfigAnnotation] != "" {
			t.Errorf("%s keeps managed fields or its last applied configuration", evidence.RefOf(o))
		}
	}
	for _, r := range server.Requests() {
		if !strings.HasPrefix(r, "GET ") || strings.Contains(r, "secret") || strings.Contains(r, "proxy") {
			t.Errorf("request %s", r)
		}
	}
}

func TestClusterNeedsFewRequests(t *testing.T) {
	for _, test := range []struct {
		name string
		sel  evidence.Selection
		most int
	}{
		{"pod", pod("web-7-a"), mostForPod},
		{"workload", named("Deployment", "web"), 18},
		{"node", named("Node", "n1"), 16},
		{"namespace", evidence.Selection{Namespace: "shop"}, 18},
		{"everything", evidence.Selection{AllNamespaces: true}, 18},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.New(t, shop())
			mustAsk(t, server, test.sel)
			requests := server.Requests()
			if len(requests) > test.most {
				t.Errorf("%d requests, want at most %d:\n%s", len(requests), test.most, strings.Join(requests, "\n"))
			}
			slices.Sort(requests)
			if len(slices.Compact(requests)) != len(server.Requests()) {
				t.Errorf("something is read twice:\n%s", strings.Join(server.Requests(), "\n"))
			}
		})
	}
}

// TestClusterReadsSomePods: of pods that are asked for by themselves those that are well are read as well, no others, and no controllers.
func TestClusterReadsSomePods(t *testing.T) {
	for _, test := range []struct{ only, read, asked string }{
		{"web-7-a", "pod/web-7-a", "pod/web-7-a"},
		{"web-7-b", "pod/web-7-b", ""},
		{"none", "", ""},
	} {
		server := apitest.New(t, shop())
		c := Cluster{Config: server.Config(), Now: func() time.Time { return now }, limits: patient, Pods: func(pod *corev1.Pod) bool { return pod.Name == test.only }}
		s, err := c.Snapshot(t.Context(), evidence.Selection{Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		var read, asked []evidence.Ref
		for _, pod := range evidence.List[*corev1.Pod](s) {
			read = append(read, evidence.RefOf(pod))
		}
		for _, ref := range s.Asked {
			if ref.Kind == "Pod" {
				asked = append(asked, ref)
			}
		}
		if names(read) != test.read || names(asked) != test.asked {
			t.Errorf("of %s is read %q and asked %q", test.only, names(read), names(asked))
		}
		if requests := strings.Join(server.Requests(), "\n"); strings.Contains(requests, "/deployments?") {
			t.Errorf("controllers are read:\n%s", requests)
		}
	}
}

func TestClusterLeavesOutWhatOnePodIsNotWorth(t *testing.T) {
	s := shop()
	greedy := s.Objects[0].(*corev1.Pod)
	greedy.Status.Conditions = nil
	for i := range 30 {
		name := fmt.Sprintf("conf-%02d", i)
		s.Objects = append(s.Objects, &corev1.ConfigMap{ObjectMeta: object("shop", name)})
		greedy.Spec.Containers[0].EnvFrom = append(greedy.Spec.Containers[0].EnvFrom, corev1.EnvFromSource{
			ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
		})
	}
	for _, name := range []string{"two", "three", "four"} { // whose logs are gone, and are asked for twice
		greedy.Spec.Containers = append(greedy.Spec.Containers, corev1.Container{Name: name})
		greedy.Status.ContainerStatuses = append(greedy.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, RestartCount: 1, State: corev1.ContainerState{Terminated: exit(1, 10*time.Second)},
		})
	}
	server := apitest.New(t, s)
	first := gapsOf(mustAsk(t, server, pod("web-7-a")))
	if n := len(server.Requests()); n != mostForPod {
		t.Errorf("%d requests, want %d:\n%s", n, mostForPod, strings.Join(server.Requests(), "\n"))
	}
	if text := strings.Join(first, "\n"); !strings.Contains(text, "left out to get configmaps in namespace shop: one pod is worth 15 requests; ask about its workload for more") {
		t.Errorf("gaps:\n%s", text)
	}
	if diff := cmp.Diff(first, gapsOf(mustAsk(t, server, pod("web-7-a")))); diff != "" {
		t.Errorf("other things were left out the second time (-first +second):\n%s", diff)
	}
}

func TestClusterRoundTrip(t *testing.T) {
	server := apitest.New(t, shop())
	for _, sel := range []evidence.Selection{pod("web-7-a"), named("Deployment", "web"), {AllNamespaces: true}} {
		s := mustAsk(t, server, sel)
		files, err := Files(s)
		if err != nil {
			t.Fatal(err)
		}
		bundle := fstest.MapFS{}
		for name, data := range files {
			bundle[name] = &fstest.MapFile{Data: data}
		}
		got, err := Bundle{FS: bundle}.Snapshot(t.Context(), evidence.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, cmpopts.IgnoreUnexported(evidence.Snapshot{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("read(write(snapshot)) of %s (-want +got):\n%s", s.Subject, diff)
		}
	}
}

func TestClusterSaysWhatItCouldNotRead(t *testing.T) {
	const forbidden, broken = http.StatusForbidden, http.StatusInternalServerError
	for _, test := range []struct {
		name    string
		part    string
		status  int
		message string
		want    string
		lacks   evidence.Kind // the kinds that the snapshot does not have
	}{
		{"events", "/namespaces/shop/events", forbidden, "", "events of namespace/shop: forbidden: cannot list events in namespace shop", 0},
		{"all events", "/events", forbidden, "", "events of namespace/shop: forbidden: cannot list events in namespace shop", evidence.Events},
		{"node", "/nodes/n1", forbidden, "", "node of node/n1: forbidden: cannot get nodes", evidence.Node},
		{"lease", "/leases/", forbidden, "", "node of lease/n1: forbidden: cannot get leases in namespace kube-node-lease", 0},
		{"owner", "/replicasets/", broken, "etcd is\nslow", "changes of replicaset/web-7: cannot get replicasets in namespace shop: etcd is slow", 0},
		{"config", "/configmaps/", forbidden, "", "changes of configmap/conf: forbidden: cannot get configmaps in namespace shop", 0},
		{"limits", "/limitranges", forbidden, "", "changes of namespace/shop: forbidden: cannot list limitranges in namespace shop", 0},
		{"no metrics-server", "/metrics.k8s.io", http.StatusNotFound, "the server could not find the requested resource", "usage of pod/web-7-a: metrics.k8s.io is not served (no metrics-server)", evidence.Usage},
		{"metrics", "/metrics.k8s.io", forbidden, "", "usage of pod/web-7-a: forbidden: cannot get pods.metrics.k8s.io in namespace shop", evidence.Usage},
		{"log", "/log?", forbidden, "", "logs of pod/web-7-a[app]#3: forbidden: cannot get pods/log in namespace shop", evidence.Logs},
		{"kubelet refuses", "/log?", broken, `Get "https://10.0.0.1:10250/containerLogs/shop": dial tcp 10.0.0.1:10250: connect: connection refused`, "logs of pod/web-7-a[app]#3: connection refused: the API server cannot reach the kubelet of node n1", evidence.Logs},
		{"kubelet has just started", "/log?", http.StatusNotFound, "the server could not find the requested resource ( pods/log web-7-a)", "logs of pod/web-7-a[app]#3: the kubelet of node n1 does not know the pod, as when it has just started", evidence.Logs},
		{"no route", "/log?", broken, `Get "https://10.0.0.1:10250/x": dial tcp 10.0.0.1:10250: connect: no route to host`, "logs of pod/web-7-a[app]#3: no route to host: the API server cannot reach the kubelet of node n1", evidence.Logs},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.New(t, shop())
			server.Fail(test.part, test.status, test.message)
			s := mustAsk(t, server, pod("web-7-a"))
			if got := gapsOf(s); !slices.Contains(got, test.want) {
				t.Errorf("gaps %q, want %q", got, test.want)
			}
			all := evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Usage | evidence.Node
			if s.Has != all&^test.lacks {
				t.Errorf("has %s, want %s", s.Has, all&^test.lacks)
			}
			if s.Lacks(evidence.Spec|evidence.Status, s.Subject) != 0 {
				t.Errorf("the pod itself is lacking, by gaps %q", gapsOf(s))
			}
		})
	}
}

func TestClusterNotesWhatIsAbsent(t *testing.T) {
	cluster := shop()
	cluster.Objects = slices.DeleteFunc(cluster.Objects, func(o evidence.Object) bool { return o.GetName() == "conf" })
	s := mustAsk(t, apitest.New(t, cluster), pod("web-7-a"))
	if got := names(s.Absent); got != "configmap/conf" {
		t.Errorf("absent %s", got)
	}
}

func TestClusterGoneMidWay(t *testing.T) {
	server := apitest.New(t, shop())
	for _, part := range []string{"/apis/", "/nodes", "/events", "/configmaps", "/serviceaccounts", "/log?", "/resourcequotas", "/limitranges"} {
		server.Cut(part)
	}
	s := mustAsk(t, server, pod("web-7-a"))
	if s.Has != evidence.Spec|evidence.Status {
		t.Errorf("has %s", s.Has)
	}
	if n := len(gapsOf(s)); n < 8 {
		t.Errorf("%d gaps: %q", n, gapsOf(s))
	}
}

func TestClusterHangs(t *testing.T) {
	server := apitest.New(t, shop())
	server.Hang("/events")
	server.Hang("/replicasets")
	impatient := patient
	impatient.object = time.Second
	s, err := askWithin(t, impatient, server, pod("web-7-a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"events of namespace/shop: cannot list events in namespace shop: time-out after 1s",
		"changes of replicaset/web-7: cannot get replicasets in namespace shop: time-out after 1s",
	} {
		if !slices.Contains(gapsOf(s), want) {
			t.Errorf("gaps %q, want %q", gapsOf(s), want)
		}
	}
}

func TestClusterFrozen(t *testing.T) {
	server := apitest.New(t, shop())
	server.Hang("")
	impatient := patient
	impatient.object = 100 * time.Millisecond
	_, err := askWithin(t, impatient, server, pod("web-7-a"))
	if err == nil || err.Error() != "the API server at "+server.URL+" does not answer: time-out after 100ms" {
		t.Errorf("error %v", err)
	}
}

// The limit for everything holds although each single request has time left.
func TestClusterAnswersInTime(t *testing.T) {
	server := apitest.New(t, shop())
	server.Hang("/events")
	server.Hang("/log?")
	impatient := patient
	impatient.visit = 2 * time.Second
	s, err := askWithin(t, impatient, server, pod("web-7-a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"events of namespace/shop: cannot list events in namespace shop: not read within 2s",
		"logs of pod/web-7-a[app]#3: cannot get pods/log in namespace shop: not read within 2s",
	} {
		if !slices.Contains(gapsOf(s), want) {
			t.Errorf("gaps %q, want %q", gapsOf(s), want)
		}
	}
}

func TestClusterErrors(t *testing.T) {
	refused := apitest.New(t, shop())
	for _, test := range []struct {
		name  string
		fault func(*apitest.Server)
		sel   evidence.Selection
		want  string
	}{
		{"unknown pod", nil, pod("web"), "there is no pod web in namespace shop, near names are web-7-a, web-7-b"},
		{"misspelt", nil, pod("wbe-7-a"), "there is no pod wbe-7-a in namespace shop, near names are web-7-a"},
		{"misspelt workload", nil, named("Deployment", "wep"), "there is no deployment wep in namespace shop, near names are web"},
		{"nothing like it", nil, pod("database"), "there is no pod database in namespace shop: kubectl get pods -n shop shows what there is"},
		{"elsewhere", nil, evidence.Selection{Ref: evidence.RefTo("Pod", "", "web-7-a"), Namespace: "default"}, "there is no pod web-7-a in namespace default, but there is one in shop: name it with -n"},
		{"unknown node", nil, named("Node", "n2"), "there is no node n2, near names are n1"},
		{"unknown pod and namespace", nil, evidence.Selection{Ref: evidence.RefTo("Pod", "shpo", "cart")}, "there is no namespace shpo, near names are shop"},
		{"unknown namespace", nil, evidence.Selection{Namespace: "shpo"}, "there is no namespace shpo, near names are shop"},
		{"unknown container", nil, evidence.Selection{Ref: evidence.RefTo("Pod", "shop", "web-7-a"), Container: "ap"}, "pod web-7-a has no container ap, it has app"},
		{"bad selector", nil, evidence.Selection{Label: "a b"}, `label selector "a b": unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt`},
		{"unknown kind", nil, named("Rollout", "web"), "cannot look at a Rollout: name a pod, a workload, a claim, a node or a namespace"},
		{"forbidden", func(s *apitest.Server) { s.Fail("/pods/", http.StatusForbidden, "") }, pod("web-7-a"), "forbidden: this user cannot get pods in namespace shop: ask for a role that can, such as view"},
		{"forbidden list", func(s *apitest.Server) { s.Fail("/pods", http.StatusForbidden, "") }, evidence.Selection{AllNamespaces: true}, "forbidden: this user cannot list pods: ask for a role that can, such as view"},
		{"unauthorized", func(s *apitest.Server) { s.Fail("", http.StatusUnauthorized, "") }, pod("web-7-a"), "the API server at URL does not accept these credentials: log in again"},
		{"gone", func(s *apitest.Server) { s.URL = refused.URL; refused.Stop() }, pod("web-7-a"), "cannot reach the API server at URL: connection refused: see that it runs, and the kubeconfig names it"},
		{"broken", func(s *apitest.Server) { s.Fail("", http.StatusInternalServerError, "no leader\nhere") }, pod("web-7-a"), "cannot get pods in namespace shop: no leader here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.New(t, shop())
			if test.fault != nil {
				test.fault(server)
			}
			_, err := ask(t, server, test.sel)
			if err == nil || strings.ReplaceAll(err.Error(), server.URL, "URL") != test.want {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	a := &api{host: "https://10.0.0.1"}
	for text, want := range map[string]string{
		`Get "https://10.0.0.1": getting credentials: exec: executable cloud-login not found`:                          "cannot get the credentials for the API server at https://10.0.0.1: exec: executable cloud-login not found",
		`Get "https://10.0.0.1": tls: failed to verify certificate: x509: certificate has expired or is not yet valid`: "cannot trust the API server at https://10.0.0.1: certificate has expired or is not yet valid: see the cluster's certificate-authority in the kubeconfig",
		`Get "https://x": EOF`:                              "cannot reach the API server at https://10.0.0.1: EOF: see that it runs, and the kubeconfig names it",
		`Get "https://x": dial tcp: lookup x: no such host`: "cannot reach the API server at https://10.0.0.1: no such host: see that it runs, and the kubeconfig names it",
	} {
		if got := a.unreachable(text).Error(); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestExpiredCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		until time.Time
		want  string
	}{
		{time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), " (the client certificate expired at 2025-01-02T03:04:05Z)"},
		{time.Now().Add(time.Hour), ""},
	} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: test.until}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		a := &api{certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
		if got := a.expired(); got != test.want {
			t.Errorf("expired() = %q, want %q", got, test.want)
		}
	}
}

// TestClusterRefuses: what an API server has no time for now is asked for again when it says, if that is soon; else it is told why there is
// no answer, and for how long not to ask.
func TestClusterRefuses(t *testing.T) {
	for _, tt := range []struct {
		seconds, asked int
	}{{1, 2}, {30, 1}} {
		server := apitest.New(t, shop())
		server.Answer("/pods/web-7-a", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", strconv.Itoa(tt.seconds))
			http.Error(w, "Too many requests, please try again later.", http.StatusTooManyRequests)
		})
		impatient := patient
		impatient.object = 10 * time.Second
		_, err := askWithin(t, impatient, server, pod("web-7-a"))
		if want := "cannot get pods in namespace shop: the server has received too many requests and has asked us to try again later"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
		if seconds, asks := apierrors.SuggestsClientDelay(err); !asks || seconds != tt.seconds {
			t.Errorf("it is to be asked again in %d s, %v; want %d", seconds, asks, tt.seconds)
		}
		if all := server.Requests(); len(all) != tt.asked {
			t.Errorf("Retry-After %d s: %q, want %d requests", tt.seconds, all, tt.asked)
		}
	}
}

// TestWhole: of a namespace that is asked for as a whole the pods that are well and the CronJobs are read, too.
func TestWhole(t *testing.T) {
	alone := well("idle-0")
	alone.OwnerReferences = nil
	nightly, kata := &batchv1.CronJob{ObjectMeta: object("shop", "nightly")}, "kata"
	nightly.Spec.JobTemplate.Spec.Template.Spec.RuntimeClassName = &kata
	class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: kata}, Handler: kata}
	all := shop()
	all.Objects = append(all.Objects, alone, nightly, class)
	for _, whole := range []bool{false, true} {
		c := Cluster{Config: apitest.New(t, all).Config(), Now: func() time.Time { return now }, Whole: whole, limits: patient}
		s, err := c.Snapshot(t.Context(), evidence.Selection{Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range []evidence.Ref{evidence.RefOf(alone), evidence.RefOf(nightly), evidence.RefOf(class)} {
			if (s.Object(ref) != nil) != whole {
				t.Errorf("whole %v: %s is known: %v", whole, ref, !whole)
			}
		}
		s, err = c.Snapshot(t.Context(), evidence.Selection{Ref: evidence.RefOf(alone)})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(evidence.List[*corev1.ResourceQuota](s)); (n > 0) != whole {
			t.Errorf("whole %v: %d quotas are known of a pod that is well", whole, n)
		}
	}
}

// TestAutoscalers: of a namespace all are read where what is well is asked about, too, and of a pod those of its workload.
func TestAutoscalers(t *testing.T) {
	all := shop()
	for name, target := range map[string]string{"h": "web", "other": "else"} {
		h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: object("shop", name)}
		h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: target}
		all.Objects = append(all.Objects, h)
	}
	for _, tt := range []struct {
		sel   evidence.Selection
		whole bool
		want  int
	}{
		{evidence.Selection{Namespace: "shop"}, false, 0}, {evidence.Selection{Namespace: "shop"}, true, 2},
		{pod("web-7-a"), false, 0}, {pod("web-7-a"), true, 1}, {named("Deployment", "web"), true, 1}, {named("ReplicaSet", "web-7"), false, 1},
	} {
		c := Cluster{Config: apitest.New(t, all).Config(), Now: func() time.Time { return now }, Whole: tt.whole, limits: patient}
		s, err := c.Snapshot(t.Context(), tt.sel)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(evidence.List[*autoscalingv2.HorizontalPodAutoscaler](s)); n != tt.want {
			t.Errorf("%+v, whole %v: %d autoscalers, want %d", tt.sel.Ref, tt.whole, n, tt.want)
		}
	}
}

// TestAddRequests: a pod holds what its containers request, and the overhead of its RuntimeClass.
func TestAddRequests(t *testing.T) {
	quantities := func(memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse(memory)}
	}
	spec := corev1.PodSpec{Overhead: quantities("64Mi"), Containers: []corev1.Container{
		{Resources: corev1.ResourceRequirements{Requests: quantities("100Mi")}}, {Resources: corev1.ResourceRequirements{Requests: quantities("200Mi")}},
	}}
	sum := quantities("1Mi")
	addRequests(sum, &spec)
	if got := sum.Memory().Value() >> 20; got != 365 {
		t.Errorf("%dMi", got)
	}
}
