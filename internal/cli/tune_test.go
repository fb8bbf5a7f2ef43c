// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/advise/resource"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// slowStarters is a Deployment whose pods, n of them from the given one on, were ready after ten seconds and more. Its liveness probe ends a
// start after ten, unless a tick comes late.
func slowStarters(from, n int) *evidence.Snapshot {
	began := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	live := &corev1.Probe{PeriodSeconds: 5, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
	live.HTTPGet = &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080)}
	ready := live.DeepCopy()
	ready.HTTPGet.Path = "/readyz"
	app := corev1.Container{Name: "app", LivenessProbe: live, ReadinessProbe: ready}
	yes, labels := true, map[string]string{"app": "web"}
	own := func(kind, name string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, Controller: &yes}}
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	d.Spec.Template.Spec.Containers = []corev1.Container{app}
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-5", OwnerReferences: own("Deployment", "web")}}
	s := &evidence.Snapshot{
		Taken: began.Add(6 * time.Hour), Has: evidence.Spec | evidence.Status | evidence.Events,
		Subject: evidence.RefTo("Deployment", "shop", "web"), Objects: []evidence.Object{d, rs},
	}
	for i := from; i < from+n; i++ {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("web-5-%d", i), UID: types.UID(fmt.Sprint("u", i)), Labels: labels, OwnerReferences: own("ReplicaSet", "web-5")}}
		pod.Spec.Containers = []corev1.Container{app}
		pod.Status.Phase = corev1.PodRunning
		st := corev1.ContainerStatus{Name: "app", Ready: true, Started: &yes}
		st.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(began.Add(time.Duration(i) * time.Minute))}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{st}
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(st.State.Running.StartedAt.Add(time.Duration(10+i) * time.Second)),
		}}
		s.Objects = append(s.Objects, pod)
	}
	return s.Freeze()
}

// filesOf is a snapshot as the files of a bundle.
func filesOf(t *testing.T, s *evidence.Snapshot) map[string][]byte {
	files, err := collect.Files(s)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// tuning runs the command line, and returns its output and what it noted.
func tuning(t *testing.T, status int, args ...string) (string, string) {
	t.Helper()
	var out, notes bytes.Buffer
	if got := Main(t.Context(), append([]string{"tune"}, args...), strings.NewReader(""), &out, &notes); got != status {
		t.Fatalf("%v: exit status %d: %s", args, got, notes.String())
	}
	return out.String(), notes.String()
}

// TestTuneProbes: advice from a bundle, as text and for programs; too little of a record; and what a history adds to that.
func TestTuneProbes(t *testing.T) {
	folder := t.TempDir()
	enough, few := filepath.Join(folder, "enough.zip"), filepath.Join(folder, "few.zip")
	for name, s := range map[string]*evidence.Snapshot{enough: slowStarters(0, 6), few: slowStarters(0, 3)} {
		if err := collect.WriteArchive(name, filesOf(t, s)); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := tuning(t, 0, "probes", "--from", enough)
	for _, want := range []string{"deployment/web[app] in namespace shop: ", "it rests on 6 starts of 6 pods", "startupProbe:", "kubectl -n shop patch deployment/web"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	js, _ := tuning(t, 0, "probes", "deploy/web", "-n", "shop", "--from", enough, "-o", "json")
	var a report.Advice
	if err := json.Unmarshal([]byte(js), &a); err != nil || a.Kind != "Advice" || a.Fix == nil || a.Fix.Patch == nil || len(a.Figures) != 4 || *a.Figures[0].Proposed <= *a.Figures[0].Now {
		t.Errorf("%v:\n%s", err, js)
	}
	owned := slowStarters(0, 6)
	owned.Objects[0].SetAnnotations(map[string]string{"meta.helm.sh/release-name": "front"})
	helm := filepath.Join(folder, "helm.zip")
	if err := collect.WriteArchive(helm, filesOf(t, owned)); err != nil {
		t.Fatal(err)
	}
	if text, _ := tuning(t, 0, "probes", "--from", helm); !strings.Contains(text, "Helm release shop/front would put the old value back") || strings.Contains(text, "kubectl") {
		t.Errorf("of what Helm applies:\n%s", text)
	}
	if text, _ := tuning(t, 0, "probes", "--from", few); !strings.Contains(text, "not enough: of 3 starts") || strings.Contains(text, "fix:") {
		t.Errorf("of three starts:\n%s", text)
	}
	for want, args := range map[string][]string{`unknown output "xml"`: {"probes", "--from", few, "-o", "xml"}, `unknown command "probse"`: {"probse"}} {
		if _, notes := tuning(t, 1, args...); !strings.Contains(notes, want) || strings.Count(notes, "\n") != 1 {
			t.Error(notes)
		}
	}
}

// TestTuneWithoutProbes: a readiness probe is proposed, and no history is named, which has nothing either; where nothing is known to ask, that is
// said.
func TestTuneWithoutProbes(t *testing.T) {
	s := slowStarters(0, 3)
	spec := &s.Objects[0].(*appsv1.Deployment).Spec.Template.Spec.Containers[0]
	for _, c := range append([]*corev1.Container{spec}, containersOf(s)...) {
		c.LivenessProbe, c.ReadinessProbe = nil, nil
	}
	file := filepath.Join(t.TempDir(), "case.zip")
	text := func() string {
		if err := collect.WriteArchive(file, filesOf(t, s.Freeze())); err != nil {
			t.Fatal(err)
		}
		out, _ := tuning(t, 0, "probes", "--from", file)
		return strings.Join(strings.Fields(out), " ")
	}
	if got := text(); !strings.Contains(got, "it declares no TCP port") || strings.Contains(got, "--history") || strings.Contains(got, "fix:") {
		t.Errorf("with nothing to ask:\n%s", got)
	}
	spec.Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	got := text()
	for _, want := range []string{
		"it has no probes, so how it starts was not measured", "fix: Give app a readiness probe", "readinessProbe: failureThreshold: 3 periodSeconds: 10 successThreshold: 1 tcpSocket: port: 8080 timeoutSeconds: 1",
		"kubectl -n shop patch deployment/web", "it has no liveness probe, and nothing tells whether it ever hung: none is proposed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
}

func containersOf(s *evidence.Snapshot) (list []*corev1.Container) {
	for _, pod := range evidence.List[*corev1.Pod](s) {
		list = append(list, &pod.Spec.Containers[0])
	}
	return list
}

// TestTuneRevisions: starts are told apart by their revision, of the present one and of one before.
func TestTuneRevisions(t *testing.T) {
	s := slowStarters(0, 7)
	pods := evidence.List[*corev1.Pod](s)
	last := pods[6]
	last.Spec.Containers[0].Image, last.Status.Conditions[0].LastTransitionTime = "app:2", metav1.NewTime(s.Taken)
	pods[2].CreationTimestamp = metav1.NewTime(s.Taken) // the youngest
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, filesOf(t, s.Freeze())); err != nil {
		t.Fatal(err)
	}
	text, _ := tuning(t, 0, "probes", "--from", file)
	for _, want := range []string{"it rests on 6 starts of 6 pods", "which runs now or is being rolled out: 6 starts", "these alone count", "older, revision spec-"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// TestTuneAnswers: what a Prometheus knows of answers and pauses sets time-outs, and without one it is said that they were not read.
func TestTuneAnswers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, filesOf(t, slowStarters(0, 6))); err != nil {
		t.Fatal(err)
	}
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	text, _ := tuning(t, 0, "probes", "--from", file)
	for _, want := range []string{"probe latencies and pauses of a garbage collector not read: ", "no throttling is known: "} {
		if !strings.Contains(flat(text), want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result := ""
		if strings.Contains(r.FormValue("query"), "prober_probe_duration_seconds") {
			result = `{"metric":{"probe_type":"Readiness","le":"2.5"},"value":[1,"9"]},{"metric":{"probe_type":"Readiness","le":"+Inf"},"value":[1,"9"]}`
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}))
	defer server.Close()
	text, _ = tuning(t, 0, "probes", "--from", file, "--prometheus", server.URL)
	for _, want := range []string{"its readiness probe was answered within 2.5s, by Prometheus over 7 days", "gets a timeoutSeconds of 4", "pauses of a garbage collector not read", "readinessProbe: timeoutSeconds: 4"} {
		if !strings.Contains(flat(text), want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	text, _ = tuning(t, 0, "probes", "--from", file, "--prometheus", "http://127.0.0.1:1")
	for _, want := range []string{"it rests on 6 starts of 6 pods", "Prometheus was not asked, so probe latencies and pauses of a garbage collector are not known", "connection refused; see that it can be reached", "startupProbe:"} {
		if !strings.Contains(flat(text), want) {
			t.Errorf("of a Prometheus that does not answer, it lacks %q:\n%s", want, text)
		}
	}
	if _, notes := tuning(t, 1, "probes", "--from", file, "--prometheus", "prometheus:9090"); !strings.Contains(notes, "give one such as http://") {
		t.Error(notes)
	}
	if _, notes := tuning(t, 1, "probes", "--from", file, "--prometheus", server.URL, "--window", "1m"); !strings.Contains(notes, "give at least 1h") {
		t.Error(notes)
	}
}

// TestTuneHistory: what a history has counts too, and one that is not there is one clear sentence.
func TestTuneHistory(t *testing.T) {
	folder := t.TempDir()
	few := filepath.Join(folder, "few.zip")
	if err := collect.WriteArchive(few, filesOf(t, slowStarters(0, 3))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "h.db")
	store, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	older := slowStarters(3, 3)
	err = store.Record(t.Context(), history.Death{
		Cluster: "c", PodUID: "gone", Of: evidence.RefTo("Pod", "shop", "web-5-9").InContainer("app").InAttempt(0), Workload: older.Subject,
		Finished: older.Taken, Verdict: &history.Verdict{Message: "it died", Confidence: "likely", Settled: true, Report: []byte("{}"), Bundle: filesOf(t, older)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if text, _ := tuning(t, 0, "probes", "--from", few, "--history", file); !strings.Contains(text, "it rests on 6 starts") || !strings.Contains(text, "fix:") {
		t.Errorf("with a history:\n%s", text)
	}
	if _, notes := tuning(t, 1, "probes", "--from", few, "--history", filepath.Join(folder, "none.db")); !strings.Contains(notes, "none.db") || strings.Count(notes, "\n") != 1 {
		t.Error(notes)
	}
}

// TestTuneResources: with nothing that was measured it says so; a Prometheus that is none is one clear sentence.
func TestTuneResources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, filesOf(t, slowStarters(0, 6))); err != nil {
		t.Fatal(err)
	}
	if text, _ := tuning(t, 0, "resources", "--from", file); !strings.Contains(text, "not enough: 0 samples of its memory") || !strings.Contains(text, "BestEffort") {
		t.Error(text)
	}
	if _, notes := tuning(t, 1, "resources", "--from", file, "--sample", "1h"); !strings.Contains(notes, "--sample 1h0m0s is not from 0 to 10m0s") || strings.Count(notes, "\n") != 1 {
		t.Error(notes)
	}
	if _, notes := tuning(t, 1, "resources", "--from", file, "--prometheus", "prometheus:9090"); !strings.Contains(notes, "give one such as http://") || strings.Count(notes, "\n") != 1 {
		t.Error(notes)
	}
	if _, notes := tuning(t, 1, "resources", "--from", file, "--prometheus", "http://127.0.0.1:1", "--window", "1m"); !strings.Contains(notes, "give at least 1h") {
		t.Error(notes)
	}
}

// TestTuneUnasked: a Prometheus that cannot be reached is told as not asked, and the advice is that of the rest; a limit that throttles is read.
func TestTuneUnasked(t *testing.T) {
	s := slowStarters(0, 3)
	s.Objects[0].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: apiresource.MustParse("100m")}
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, filesOf(t, s.Freeze())); err != nil {
		t.Fatal(err)
	}
	text, _ := tuning(t, 0, "resources", "--from", file, "--prometheus", "http://127.0.0.1:1")
	for _, want := range []string{"not enough: 0 samples of its memory, and advice needs 24 over an hour", "CPU request as its limit", "its runtime is not known, so", "Prometheus was not asked, so this rests on", "connection refused; see that it can be reached"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	values := ""
	for i := range 62 {
		values += fmt.Sprintf(`,[%d,"104857600"]`, s.Taken.Unix()-int64(60*i))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, result, query := "vector", "", r.FormValue("query")
		if strings.HasSuffix(r.URL.Path, "series") {
			fmt.Fprint(w, `{"status":"success","data":[]}`)
			return
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "query_range"):
			if kind = "matrix"; strings.Contains(query, "working_set") {
				result = `{"metric":{"namespace":"shop","pod":"web-5-1","container":"app"},"values":[` + values[1:] + `]}`
			}
		case strings.Contains(query, "throttled_periods"):
			result = `{"metric":{},"value":[1,"0.6"]}`
		case strings.Contains(query, "go_info"):
			result = `{"metric":{"__name__":"go_info","version":"go1.22.3"},"value":[1,"3"]}`
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[%s]}}`, kind, result)
	}))
	defer server.Close()
	text, _ = tuning(t, 0, "resources", "--from", file, "--prometheus", server.URL)
	for _, want := range []string{"its CPU limit held it back in 60% of its periods", "it runs Go 1.22.3, by Prometheus (go_info)", "GOMEMLIMIT: its manifest does not set it"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("of a limit that throttles, it lacks %q:\n%s", want, text)
		}
	}
}

// TestTuneRefusals: what a namespace would refuse of what is proposed comes first of what is to be looked at.
func TestTuneRefusals(t *testing.T) {
	s := slowStarters(0, 3)
	bounds := corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("256Mi")}
	s.Objects[0].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: bounds, Limits: bounds}
	lived := []time.Duration{11 * time.Minute, 90 * time.Minute, 30 * time.Minute} // in no rhythm, as a leak would have it
	for i, pod := range evidence.List[*corev1.Pod](s) {
		pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: bounds, Limits: bounds}
		st := &pod.Status.ContainerStatuses[0]
		began := st.State.Running.StartedAt.Time
		st.RestartCount = 1
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, StartedAt: metav1.NewTime(began.Add(-lived[i])), FinishedAt: metav1.NewTime(began)}
	}
	file := filepath.Join(t.TempDir(), "case.zip")
	text := func(most string) string {
		limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "l"}}
		limits.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse(most)}}}
		within := &evidence.Snapshot{Taken: s.Taken, Has: s.Has, Subject: s.Subject, Objects: append(slices.Clone(s.Objects), limits)}
		if err := collect.WriteArchive(file, filesOf(t, within.Freeze())); err != nil {
			t.Fatal(err)
		}
		out, _ := tuning(t, 0, "resources", "--from", file)
		return strings.Join(strings.Fields(out), " ")
	}
	refused := text("300Mi")
	for _, want := range []string{"should be others, which its namespace would refuse as it is", "what is proposed was checked against limitrange/l", "look at - limitrange/l, max.memory: a container must have a limit of memory, of 300Mi at most"} {
		if !strings.Contains(refused, want) {
			t.Errorf("it lacks %q:\n%s", want, refused)
		}
	}
	if taken := text("1Gi"); strings.Contains(taken, "refuse") || !strings.Contains(taken, "fix: ") || !strings.Contains(taken, "checked against limitrange/l") {
		t.Errorf("with room for it:\n%s", taken)
	}
}

// TestUnmeasured: that nobody measures what a workload uses is said where it is about that workload.
func TestUnmeasured(t *testing.T) {
	s := slowStarters(0, 1)
	web := s.Subject
	for about, want := range map[evidence.Ref]bool{
		evidence.Cluster: true, evidence.RefTo("Namespace", "", "shop"): true, evidence.RefTo("Pod", "shop", "web-5-0"): true, evidence.RefTo("Pod", "shop", "other"): false, evidence.RefTo("Namespace", "", "bank"): false,
	} {
		s.Gaps = []evidence.Gap{{Kind: evidence.Events, About: about}, {Kind: evidence.Usage, About: about, Why: "metrics.k8s.io is not served (no metrics-server)"}}
		if got := unmeasured(s, web); (len(got) == 1 && got[0] == "what it uses now was not read: metrics.k8s.io is not served (no metrics-server)") != want || len(got) > 1 {
			t.Errorf("of %s: %q", about, got)
		}
	}
}

// TestTuneSpared: of an end that is marked OOMKilled and was not at its own limit no higher limit is made.
func TestTuneSpared(t *testing.T) {
	s := slowStarters(0, 2)
	bounds := corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("256Mi")}
	s.Objects[0].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{Limits: bounds}
	for _, pod := range evidence.List[*corev1.Pod](s) {
		pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Limits: bounds}
		st := &pod.Status.ContainerStatuses[0]
		began := st.State.Running.StartedAt.Time
		st.RestartCount = 2 // of one restart long ago no rule speaks
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, StartedAt: metav1.NewTime(began.Add(-time.Hour)), FinishedAt: metav1.NewTime(began)}
		s.Facts = append(s.Facts, evidence.Fact{
			Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefOf(pod).InContainer("app").InAttempt(1), At: began, Where: "kmsg", Name: "oom-kill", Text: "oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice task=app pid=7",
		})
	}
	s.Has |= evidence.Host
	file := filepath.Join(t.TempDir(), "case.zip")
	if err := collect.WriteArchive(file, filesOf(t, s.Freeze())); err != nil {
		t.Fatal(err)
	}
	text, _ := tuning(t, 0, "resources", "--from", file)
	if flat := strings.Join(strings.Fields(text), " "); !strings.Contains(flat, "no reason for a higher limit: container app was killed because all pods") || strings.Contains(flat, "fix:") {
		t.Errorf("of what its node killed:\n%s", text)
	}
}

// TestBoundsOfAPart: of a namespace that could not be read whole no quota is proposed.
func TestBoundsOfAPart(t *testing.T) {
	shop := evidence.RefTo("Namespace", "", "shop")
	s := &evidence.Snapshot{Gaps: []evidence.Gap{{Kind: evidence.Changes, About: shop, Why: "forbidden: cannot list cronjobs"}}}
	web := resource.Advice{About: evidence.RefTo("Deployment", "shop", "web").InContainer("app"), Proposed: resource.Amounts{RequestMemory: 1 << 20, LimitMemory: 1 << 20}}
	if list := boundsAdvice(shop, []resource.Advice{web}, s); len(list) != 1 || !strings.Contains(list[0].Verdict, "cannot list cronjobs") {
		t.Errorf("of a part: %+v", list)
	}
	s.Gaps[0].Why = "forbidden: cannot list horizontalpodautoscalers in namespace shop"
	if list := boundsAdvice(shop, []resource.Advice{web}, s); len(list) != 2 {
		t.Errorf("of all but what requests nothing: %+v", list)
	}
	if list := boundsAdvice(shop, []resource.Advice{web}, &evidence.Snapshot{}); len(list) != 2 || list[1].Fields["kind"] != "ResourceQuota" {
		t.Errorf("of all: %+v", list)
	}
}
