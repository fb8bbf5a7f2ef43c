// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// aRun is the end of one run of a container, with its evidence, so many minutes before noon.
func aRun(t *testing.T, n int, log string) history.Death {
	t.Helper()
	d := died("shop", "web-0", n)
	d.PodUID, d.Of, d.Node = "web-0", evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(n), "n1"
	d.Finished = noon.Add(time.Duration(n-100) * time.Minute)
	d.Started, d.Seen = d.Finished.Add(-30*time.Second), d.Finished
	d.Verdict.Bundle = measuredBundle(t, d)
	for name := range d.Verdict.Bundle {
		if strings.HasPrefix(name, "logs/") {
			d.Verdict.Bundle[name] = []byte(log)
			if log == "" {
				delete(d.Verdict.Bundle, name)
			}
		}
	}
	return d
}

// TestEachLog: each run that was captured has its log on the incident, the latest in the page itself, with the block that says why it
// ended; the others are asked for when they are seen, and those that there is no room for are counted.
func TestEachLog(t *testing.T) {
	const runs = mostRuns + 5
	var all []history.Death
	for n := range runs {
		log := fmt.Sprintf("2026-11-01T12:00:00.000000000Z starting\n2026-11-01T12:00:01.000000000Z panic: run %d is out of room\n", n+1)
		if n == runs-2 {
			log = ""
		}
		all = append(all, aRun(t, n, log))
	}
	h := console(t, all...)
	page, body := onlyIncident(t, h, "*")
	if len(page.Logs) != mostRuns || page.MoreLogs != 5 {
		t.Fatalf("there are %d logs and %d more", len(page.Logs), page.MoreLogs)
	}
	for i, log := range page.Logs {
		run := runs - i
		errorLine := fmt.Sprintf("panic: run %d is out of room", run)
		if i == 1 || i >= mostBundles {
			errorLine = ""
		}
		if log.Name != fmt.Sprintf("web-0 app run %d", run) || log.Error != errorLine || log.Unread != (i >= mostBundles) || log.Death == 0 || log.Exit == "" {
			t.Errorf("log %d is %+v", i, log)
		}
	}
	contains(t, "the incident", body, fmt.Sprintf(`<mark class="error"><span class="faint">12:00:01.000</span> panic: run %d is out of room`, runs),
		"no log of this run was captured", "5 more runs were captured", fmt.Sprintf(`hx-get="/deaths/%d"`, page.Logs[2].Death))
	if strings.Contains(body, `<mark class="error"><span class="faint">12:00:01.000</span> panic: run 3`+fmt.Sprint(3)) {
		t.Error("the page has the lines of an earlier run")
	}
	_, body, _ = get(t, h, "*", fmt.Sprintf("/deaths/%d", page.Logs[mostRuns-1].Death))
	contains(t, "the page of a run", body, `data-place="0"`, fmt.Sprintf("panic: run %d is out of room", runs-mostRuns+1))
}

// TestLogAfterReset: a run has its log and one bar where the restart count of its container began anew, and what the history calls run 8
// is the third of the pod.
func TestLogAfterReset(t *testing.T) {
	d := aRun(t, 7, "")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-0", Namespace: "shop", UID: "u"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", RestartCount: 3, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(d.Finished.Add(time.Second))}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, StartedAt: metav1.NewTime(d.Started), FinishedAt: metav1.NewTime(d.Finished)}},
		}}},
	}
	s := &evidence.Snapshot{
		Taken: d.Finished.Add(5 * time.Second), Has: evidence.Status | evidence.Logs, Objects: []evidence.Object{pod},
		Logs: []evidence.Log{{Of: d.Of.InAttempt(2), Text: "panic: out of room\n"}, {Of: d.Of.InAttempt(3), Text: "starting\n"}},
	}
	var err error
	if d.Verdict.Bundle, err = collect.Files(s.Freeze()); err != nil {
		t.Fatal(err)
	}
	page, _ := onlyIncident(t, console(t, d), "*")
	if len(page.Logs) != 2 || !page.Logs[0].Own || page.Logs[0].Name != "web-0 app run 8" || page.Logs[0].Error != "panic: out of room" || page.Logs[1].Name != "web-0 app run 9" {
		t.Errorf("the logs are %+v", page.Logs)
	}
	var runs []int
	for _, lane := range page.Timeline.Lanes {
		for _, bar := range lane.Bars {
			runs = append(runs, bar.Run)
		}
	}
	if !slices.Equal(runs, []int{8, 7}) {
		t.Errorf("the bars are of runs %v", runs)
	}
}

// TestLogsOfNamespaces: pods of the same name in two namespaces that an incident has are told apart, and a run that ended in one is not
// taken for one of the other.
func TestLogsOfNamespaces(t *testing.T) {
	var all []history.Death
	for _, namespace := range []string{"shop", "bank"} {
		d := died(namespace, "web-0", 3)
		d.PodUID, d.Of = namespace, evidence.RefTo("Pod", namespace, "web-0").InContainer("app").InAttempt(map[string]int{"shop": 3, "bank": 4}[namespace])
		d.Verdict.Rule, d.Verdict.Thing = "NOD001", evidence.RefTo("Node", "", "n1")
		s := &evidence.Snapshot{Taken: d.Seen, Has: evidence.Status | evidence.Logs}
		for attempt := 3; attempt <= 4; attempt++ {
			s.Logs = append(s.Logs, evidence.Log{Of: d.Of.InAttempt(attempt), Text: namespace + " starts\n"})
		}
		var err error
		if d.Verdict.Bundle, err = collect.Files(s.Freeze()); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	page, _ := onlyIncident(t, console(t, all...), "*")
	var names []string
	for _, log := range page.Logs {
		names = append(names, log.Name)
	}
	slices.Sort(names)
	if want := []string{"bank/web-0 app run 4", "bank/web-0 app run 5", "shop/web-0 app run 4", "shop/web-0 app run 5"}; !slices.Equal(names, want) {
		t.Errorf("the logs are of %q", names)
	}
}

// TestEmptyLog: of a run that printed nothing that is said, on its page and on that of the incident, and of an empty log what is missing.
func TestEmptyLog(t *testing.T) {
	for missing, says := range map[string]string{"": "it printed nothing", "its first 5 bytes": "its first 5 bytes"} {
		d := aRun(t, 1, "")
		s := &evidence.Snapshot{Taken: d.Seen, Has: evidence.Status | evidence.Logs, Logs: []evidence.Log{{Of: d.Of, Missing: missing}}}
		var err error
		if d.Verdict.Bundle, err = collect.Files(s.Freeze()); err != nil {
			t.Fatal(err)
		}
		h := console(t, d)
		page, body := onlyIncident(t, h, "*")
		if len(page.Logs) != 1 || page.Logs[0].Missing != says || len(page.Logs[0].Lines) != 0 || !page.Logs[0].Own {
			t.Errorf("the logs are %+v", page.Logs)
		}
		_, run, _ := get(t, h, "*", fmt.Sprintf("/deaths/%d", page.Deaths[0].ID))
		contains(t, "the incident", body, says)
		contains(t, "the run", run, says)
	}
}

// TestIncidentIsLight: however large the logs are, the page with all that it uses has less than 100 KB, compressed.
func TestIncidentIsLight(t *testing.T) {
	var all []history.Death
	dice := rand.New(rand.NewPCG(1, 2))
	for n := range 60 {
		var log strings.Builder
		for range mostLines {
			for range 60 {
				fmt.Fprintf(&log, "%016x", dice.Uint64())
			}
			log.WriteString("\n")
		}
		all = append(all, aRun(t, n, log.String()))
	}
	h := console(t, all...)
	_, page := onlyIncident(t, h, "*")
	path := ""
	for _, link := range links(page) {
		if strings.HasPrefix(link, "/incidents/") && strings.HasSuffix(link, "/bundle.zip") {
			path = strings.TrimSuffix(link, "/bundle.zip")
		}
	}
	sum := 0
	for _, address := range append([]string{path}, assetsOf(page)...) {
		_, body, _ := getAs(t, h, http.Header{"Who": {"*"}, "Accept-Encoding": {"gzip"}}, address)
		sum += len(body)
	}
	t.Logf("%d bytes", sum)
	if sum > 100_000 || sum < 30_000 {
		t.Errorf("the page of an incident has %d bytes", sum)
	}
}
