// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// slowStart is a Deployment as it was applied, of which recorded has a pod that its liveness probe has ended.
const slowStart = `apiVersion: apps/v1
kind: Deployment
metadata: {name: liveness-slow-start}
spec:
  selector: {matchLabels: {app: liveness-slow-start}}
  template:
    metadata: {labels: {app: liveness-slow-start}}
    spec:
      containers:
      - name: app
        image: shop/app:v1
        livenessProbe:
          httpGet: {path: /healthz, port: 8080}
          periodSeconds: 2
          failureThreshold: 3
`

// recorded serves what a real cluster said of that Deployment, whose pod has begun anew 19 times by now, and returns the kubeconfig.
func recorded(t *testing.T) (server *apitest.Server, pod *corev1.Pod, kubeconfig string) {
	t.Helper()
	archive, err := txtar.ParseFile("../rules/probe/testdata/PRB001-slowstart.txtar")
	if err != nil {
		t.Fatal(err)
	}
	s := ruletest.Read(t, archive)
	pod = evidence.List[*corev1.Pod](s)[0]
	pod.Status.ContainerStatuses[0].RestartCount = 19
	for i := range s.Logs {
		s.Logs[i].Of.Attempt += 18
	}
	server = apitest.New(t, s)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: %q}}]\n"+
		"contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\nusers: [{name: a, user: {}}]\n", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, pod, kubeconfig
}

// scanned runs a scan of a manifest, again where the machine was too busy for the time that a request may take.
func scanned(t *testing.T, manifest string, args ...string) (status int, out, complaint string) {
	t.Helper()
	for range 3 {
		if status, out, complaint = scanOnce(t, manifest, args...); !slow(out) {
			break
		}
	}
	return status, out, complaint
}

func scanOnce(t *testing.T, manifest string, args ...string) (status int, out, complaint string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	status = Main(t.Context(), append([]string{"scan", file, "-n", "search"}, args...), nil, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func slow(out string) bool {
	return strings.Contains(out, "time-out after") || strings.Contains(out, "not read within")
}

// flat takes away where lines were broken.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestScanLive: with --live, and not without, the cluster is asked what findings have cost, a list of each kind of a namespace.
func TestScanLive(t *testing.T) {
	server, _, kubeconfig := recorded(t)
	t.Setenv("KUBECONFIG", kubeconfig)
	if _, out, _ := scanned(t, slowStart); len(server.Requests()) > 0 || strings.Contains(out, "Not checked") {
		t.Fatalf("a cluster that nobody named was asked: %q\n%s", server.Requests(), out)
	}
	several := slowStart + "---\n" + strings.ReplaceAll(slowStart, "liveness-slow-start", "liveness-other")
	status, out, complaint := scanOnce(t, several, "--live")
	for tries := 2; tries > 0 && slow(out); tries-- {
		server, _, kubeconfig = recorded(t)
		status, out, complaint = scanOnce(t, several, "--live", "--kubeconfig", kubeconfig)
	}
	if status != 0 || complaint != "" {
		t.Fatalf("status %d: %s", status, complaint)
	}
	if want := "PRB103: this missing startupProbe explains 1 of 1 restart whose cause is known, of 19"; !strings.Contains(flat(out), want) || strings.Contains(out, "Not checked") {
		t.Errorf("it is not told first:\n%s", out)
	}
	requests, lists := server.Requests(), 0
	for _, r := range requests {
		if !strings.HasPrefix(r, "GET ") || strings.Contains(r, "liveness-other") {
			t.Errorf("request %s", r)
		}
		if strings.HasPrefix(r, "GET /api/v1/namespaces/search/pods?") {
			lists++
		}
	}
	slices.Sort(requests)
	if lists != 1 || len(slices.Compact(requests)) < len(server.Requests()) {
		t.Errorf("something is read twice:\n%s", strings.Join(server.Requests(), "\n"))
	}
	_, out, _ = scanned(t, strings.ReplaceAll(slowStart, "liveness-slow-start", "liveness-other"), "--live")
	if want := "no restart is known of what the findings are about"; !strings.HasPrefix(out, want) {
		t.Errorf("of another Deployment it is told:\n%s", out)
	}
}

// TestScanLiveRefused: a cluster that refuses or cannot be reached is noted, and the scan ends as it does without it.
func TestScanLiveRefused(t *testing.T) {
	server, _, kubeconfig := recorded(t)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	check := func(args []string, want string) {
		t.Helper()
		for form, place := range map[string]string{
			"text": "Not checked: - what", "json": `"costNotChecked": [ "what`, "sarif": `"level": "note", "message": { "text": "what`, "github": "::notice title=Not checked::what", "junit": "notice: not checked: what",
		} {
			before, _, said := scanned(t, slowStart, "--fail-on", "warning", "-o", form)
			status, out, complaint := scanned(t, slowStart, append(args, "--fail-on", "warning", "-o", form, "--live")...)
			if all := flat(out + complaint); status != before || before != 1 || !strings.Contains(all, place+" findings have cost in namespace search: "+want) {
				t.Errorf("status %d as %s, expected %d and %q:\n%s%s%s", status, form, before, want, out, complaint, said)
			}
		}
	}
	check(nil, "KUBECONFIG names no cluster")
	check([]string{"--kubeconfig", kubeconfig, "--context", "b"}, "there is no context")
	server.Fail("/namespaces/search/pods?", 403, "no")
	check([]string{"--kubeconfig", kubeconfig}, "forbidden: this user cannot list pods in namespace search: ask for a role that can, such as view")
	server.Stop()
	check([]string{"--kubeconfig", kubeconfig}, "cannot reach the API server at "+server.URL)
	for _, args := range [][]string{{"--context", "a"}, {"--request-timeout", "5"}, {"--live", "--request-timeout", "x"}} {
		if status, _, complaint := scanned(t, slowStart, args...); status != 1 || !strings.Contains(complaint, args[len(args)-2]) {
			t.Errorf("%q: status %d: %s", args, status, complaint)
		}
	}
}

// TestScanLivePart: what could not be read of a namespace is noted, and what was read counts.
func TestScanLivePart(t *testing.T) {
	server, _, kubeconfig := recorded(t)
	server.Fail("/events", 403, "no")
	_, out, _ := scanned(t, slowStart, "--live", "--kubeconfig", kubeconfig)
	for _, want := range []string{
		"no finding explains a restart: the cause is known of 0 of 19 restarts of what they are about",
		"what findings have cost in namespace search: not all of it: forbidden: cannot list events in namespace search",
	} {
		if !strings.Contains(flat(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// TestScanLiveHistory: a death that both the history and the cluster tell of counts once.
func TestScanLiveHistory(t *testing.T) {
	_, pod, kubeconfig := recorded(t)
	file := filepath.Join(t.TempDir(), "h.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var deaths []history.Death
	for _, n := range []int{3, 4, 5, 18} {
		of, at := evidence.RefOf(pod).InContainer("app").InAttempt(n), time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC)
		deaths = append(deaths, history.Death{
			Cluster: "c", PodUID: string(pod.UID), Of: of, Workload: evidence.RefTo("Deployment", "search", "liveness-slow-start"), Started: at, Finished: at, Seen: at, ExitCode: 1,
			Verdict: &history.Verdict{Rule: "EXT001", Confidence: "certain", Message: "m", Thing: of, Settled: true},
		})
	}
	deaths[0].Verdict.Rule, deaths[3].Verdict.Rule = "PRB001", "PRB001"
	if err := s.Record(t.Context(), deaths...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, out, complaint := scanned(t, slowStart, "--live", "--kubeconfig", kubeconfig, "--history", file)
	if want := "this missing startupProbe explains 2 of 4 restarts whose cause is known, of 19"; !strings.Contains(flat(out), want) {
		t.Errorf("it is not told:\n%s%s", out, complaint)
	}
}
