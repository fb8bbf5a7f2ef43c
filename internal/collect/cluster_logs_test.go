// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// with returns the shop with another status of the crashing pod's container, and other logs.
func with(st corev1.ContainerStatus, logs ...evidence.Log) *evidence.Snapshot {
	s := shop()
	st.Name = "app"
	s.Objects[0].(*corev1.Pod).Status.ContainerStatuses[0] = st
	s.Logs = logs
	return s
}

func logRequests(server *apitest.Server) []string {
	var list []string
	for _, r := range server.Requests() {
		if strings.Contains(r, "/log?") {
			_, rest, _ := strings.Cut(r, "previous=")
			previous, _, _ := strings.Cut(rest, "&")
			list = append(list, previous)
		}
	}
	return list
}

func TestClusterChoosesTheLog(t *testing.T) {
	ended := func(ago time.Duration) corev1.ContainerState { return corev1.ContainerState{Terminated: exit(3, ago)} }
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-5 * time.Second))}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	notStarted := exit(128, time.Minute)
	notStarted.Reason, notStarted.StartedAt = "StartError", metav1.Unix(0, 0)
	third := logOf(3, 20*time.Second)
	second := logOf(2, 20*time.Second)
	empty := evidence.Log{Of: third.Of}
	for _, test := range []struct {
		name     string
		status   corev1.ContainerStatus
		logs     []evidence.Log
		requests string // the values of previous
		want     string // the attempt whose log is read
		gap      string
	}{
		{"it waits", corev1.ContainerStatus{RestartCount: 3, State: waiting, LastTerminationState: ended(20 * time.Second)},
			[]evidence.Log{third}, "true", "#3", ""},
		{"it runs again", corev1.ContainerStatus{RestartCount: 3, State: running, LastTerminationState: ended(20 * time.Second)},
			[]evidence.Log{second}, "true", "#2", ""},
		{"it has just ended", corev1.ContainerStatus{RestartCount: 3, State: ended(20 * time.Second), LastTerminationState: ended(2 * time.Minute)},
			[]evidence.Log{third}, "false", "#3", ""},
		{"it has just ended and printed nothing", corev1.ContainerStatus{RestartCount: 3, State: ended(20 * time.Second), LastTerminationState: ended(2 * time.Minute)},
			[]evidence.Log{empty}, "false true", "#3", ""},
		{"it was removed", corev1.ContainerStatus{RestartCount: 3, State: waiting, LastTerminationState: ended(20 * time.Second)},
			nil, "true true true", "", "the container was removed before its log could be read"},
		{"it never started", corev1.ContainerStatus{RestartCount: 3, State: waiting, LastTerminationState: corev1.ContainerState{Terminated: notStarted}},
			nil, "", "", ""},
		{"it runs for the first time", corev1.ContainerStatus{State: running}, nil, "false", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.New(t, with(test.status, test.logs...))
			s := mustAsk(t, server, pod("web-7-a"))
			if got := strings.Join(logRequests(server), " "); got != test.requests {
				t.Errorf("requests with previous=%s, want %s", got, test.requests)
			}
			var read []string
			for _, l := range s.Logs {
				read = append(read, strings.TrimPrefix(l.Of.String(), "pod/web-7-a[app]"))
			}
			if got := strings.Join(read, " "); got != test.want {
				t.Errorf("read the log of %s, want %s", got, test.want)
			}
			got := gapsOf(s)
			said := slices.ContainsFunc(got, func(g string) bool { return strings.HasSuffix(g, test.gap) })
			if test.gap == "" && len(got) > 0 || test.gap != "" && !said {
				t.Errorf("gaps %q, want %q", got, test.gap)
			}
		})
	}
}

// The container of the run in the status is replaced while the log is being read: the plain log is of the next run.
func TestClusterTellsRunsApart(t *testing.T) {
	status := corev1.ContainerStatus{RestartCount: 3, State: corev1.ContainerState{Terminated: exit(3, 20*time.Second)}}
	for _, test := range []struct{ name, plain string }{
		{"the next run has printed", logOf(4, 0).Text},
		{"the next run has printed nothing yet", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.New(t, with(status))
			serve := func(text string) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
			}
			server.Answer("previous=false", serve(test.plain))
			server.Answer("previous=true", serve(logOf(3, 20*time.Second).Text))
			s := mustAsk(t, server, pod("web-7-a"))
			if len(s.Logs) != 1 || !strings.Contains(s.Logs[0].Text, "line of attempt 3") || s.Logs[0].Of.Attempt != 3 {
				t.Errorf("logs %v, gaps %q", s.Logs, gapsOf(s))
			}
		})
	}
}

// The kubelet has removed the run in the status because there is a newer death: the pod is read again.
func TestClusterFollowsTheNewestDeath(t *testing.T) {
	server := apitest.New(t, shop())
	newer := with(corev1.ContainerStatus{RestartCount: 4, State: corev1.ContainerState{Terminated: exit(3, 0)}}, logOf(4, 0))
	server.Answer("previous=true", func(w http.ResponseWriter, _ *http.Request) {
		server.Load(newer)
		_, _ = io.WriteString(w, "unable to retrieve container logs for containerd://0a1b2c")
	})
	s := mustAsk(t, server, pod("web-7-a"))
	_, lacks := s.Missing(evidence.Logs|evidence.Status, s.Subject)
	if got := holds(s); !slices.Contains(got, "log pod/web-7-a[app]#4") || lacks != 0 {
		t.Errorf("holds %q, gaps %q", got, gapsOf(s))
	}
	if n := len(s.Attempts(s.Subject)); n != 1 {
		t.Errorf("%d attempts, want that of the newer status alone", n)
	}
}

func TestClusterDoesNotReadLogsThatNobodyWants(t *testing.T) {
	for name, sel := range map[string]evidence.Selection{
		"no logs":         {Ref: evidence.RefTo("Pod", "shop", "web-7-a"), NoLogs: true},
		"other container": {Ref: evidence.RefTo("Pod", "shop", "web-7-a"), Container: "other"},
	} {
		server := apitest.New(t, shop())
		_, _ = ask(t, server, sel) // there is no such container: only the requests are looked at
		if got := logRequests(server); len(got) > 0 {
			t.Errorf("%s: %d log requests", name, len(got))
		}
	}
	s := mustAsk(t, apitest.New(t, shop()), evidence.Selection{Ref: evidence.RefTo("Pod", "shop", "web-7-a"), NoLogs: true})
	if want := "logs of cluster: not asked for (--no-logs)"; !slices.Contains(gapsOf(s), want) || s.Has&evidence.Logs != 0 {
		t.Errorf("gaps %q, has %s", gapsOf(s), s.Has)
	}
}

func TestClusterReadsTheEndOfALog(t *testing.T) {
	line := func(i int) string {
		return fmt.Sprintf("%s line %d %s\n", now.Add(-25*time.Second).Format(time.RFC3339Nano), i, strings.Repeat("x", 100))
	}
	var long, wide strings.Builder
	for i := range 5000 {
		long.WriteString(line(i))
	}
	for i := range 900 {
		wide.WriteString(now.Add(-25*time.Second).Format(time.RFC3339Nano) + fmt.Sprintf(" wide %d ", i) + strings.Repeat("y", 16<<10) + "\n")
	}
	of := logOf(3, 0).Of
	for _, test := range []struct {
		name, text string
		bytes      int64
		missing    string
		last       string
		requests   int
	}{
		{"whole", line(1), 0, "", line(1), 1},
		{"long", long.String(), 0, "everything before the last 256 KiB", line(4999), 1},
		{"many short lines", strings.Repeat("short\n", 3000), 0, "anything before the last 2048 lines", "short\n", 1},
		{"less is asked for", long.String(), 32 << 10, "everything before the last 32 KiB", line(4999), 1},
		{"wide lines", wide.String(), 0, "everything before the last 256 KiB", "y\n", 2},
		{"not UTF-8", "\xff\xfe\n", 0, "", "\uFFFD\n", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			cluster := shop()
			cluster.Logs = []evidence.Log{{Of: of, Text: test.text}}
			server := apitest.New(t, cluster)
			sel := pod("web-7-a")
			sel.LogBytes = test.bytes
			s := mustAsk(t, server, sel)
			if len(s.Logs) != 1 {
				t.Fatalf("gaps %q", gapsOf(s))
			}
			l := s.Logs[0]
			if l.Missing != test.missing || !strings.HasSuffix(l.Text, test.last) || len(l.Text) > 256<<10 {
				t.Errorf("missing %q, %d bytes, ends in %q", l.Missing, len(l.Text), l.Text[max(0, len(l.Text)-60):])
			}
			if got := len(logRequests(server)); got != test.requests {
				t.Errorf("%d requests, want %d", got, test.requests)
			}
		})
	}
}

// A server that sends far more than it was asked for must not fill the memory.
func TestWhatAKubeletSendsForALogThatIsGone(t *testing.T) {
	for text, want := range map[string]bool{
		"unable to retrieve container logs for containerd://0a1b2c": true,
		"failed to try resolving symlinks in path \"/var/log/pods/shop_web_1/app/0.log\": lstat /var/log/pods/shop_web_1/app/0.log: no such file or directory\n":                                true,
		"2026-03-01T10:00:00Z failed to try resolving symlinks in path \"/var/log/pods/shop_web_1/app/0.log\": lstat /var/log/pods/shop_web_1/app/0.log: no such file or directory\n":           false,
		"2026-03-01T10:00:00Z starting\nfailed to try resolving symlinks in path \"/var/log/pods/shop_web_1/app/0.log\": lstat /var/log/pods/shop_web_1/app/0.log: no such file or directory\n": false,
	} {
		if got := removed.MatchString(text); got != want {
			t.Errorf("%t for %q", got, text)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	end := &tail{max: 1 << 10}
	chunk := []byte(strings.Repeat("0123456789abcde\n", 1<<8))
	for range 1 << 12 {
		if _, err := end.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if text, cut := end.text(); !cut || len(text) > 1<<10 || cap(end.data) > 1<<14 || end.received != 1<<24 {
		t.Errorf("%d bytes of %d, cut %v, buffer %d", len(text), end.received, cut, cap(end.data))
	}
}

// One node does not answer for logs: that costs one wait and no more, and other nodes are read meanwhile.
func TestClusterSickNode(t *testing.T) {
	cluster := shop()
	cluster.Objects = append(cluster.Objects, node("n2", corev1.ConditionUnknown))
	cluster.Logs = nil
	for i := range 6 {
		p := crashing(fmt.Sprintf("sick-%d", i))
		p.Spec.NodeName = "n2"
		cluster.Objects = append(cluster.Objects, p)
	}
	cluster.Logs = append(cluster.Logs, logOf(3, 20*time.Second))
	server := apitest.New(t, cluster)
	for i := range 6 {
		server.Hang(fmt.Sprintf("/sick-%d/log?", i))
	}
	impatient := patient
	impatient.log = time.Second
	s, err := askWithin(t, impatient, server, named("Node", "n2"))
	if err != nil {
		t.Fatal(err)
	}
	late, untried := 0, 0
	for _, g := range gapsOf(s) {
		switch {
		case strings.Contains(g, "not tried: the log before it on node n2 failed with time-out"):
			untried++
		case strings.HasSuffix(g, "time-out after 1s: no log came from node n2"):
			late++
		}
	}
	if late != perNode || untried != 6-perNode || len(logRequests(server)) != perNode {
		t.Errorf("%d late, %d not tried, %d requests; gaps %q", late, untried, len(logRequests(server)), gapsOf(s))
	}
	if s.Has&evidence.Logs != 0 {
		t.Error("it has logs, but none could be read")
	}
	if s, err = askWithin(t, impatient, server, evidence.Selection{Namespace: "shop"}); err != nil {
		t.Fatal(err)
	}
	if len(s.Logs) != 1 || s.Has&evidence.Logs == 0 {
		t.Errorf("logs %v, gaps %q", s.Logs, gapsOf(s))
	}
}

// TestClusterReadsWhatHangs wants the log of an init container that does not get done, once. That of one that has begun is
// read too, where the question is about its pod by name and nothing else can tell.
func TestClusterReadsWhatHangs(t *testing.T) {
	for ran, want := range map[time.Duration]int{time.Minute: 1, 10 * time.Minute: 1} {
		s := shop()
		p := s.Objects[0].(*corev1.Pod)
		p.Spec.InitContainers = []corev1.Container{{Name: "wait"}}
		running := &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-ran))}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "wait", State: corev1.ContainerState{Running: running}}}
		p.Status.ContainerStatuses = nil
		s.Logs = []evidence.Log{{Of: evidence.RefOf(p).InContainer("wait").InAttempt(0), Text: "waiting for db\n"}}
		got := mustAsk(t, apitest.New(t, s), pod(p.Name))
		if len(got.Logs) != want {
			t.Errorf("after %s: %d logs, want %d", ran, len(got.Logs), want)
		}
	}
}
