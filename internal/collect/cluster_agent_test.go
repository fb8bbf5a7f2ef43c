// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// withAgent is a cluster with an agent on node n1, where the pod of with is.
func withAgent(t *testing.T, token string, entries []record.Entry, before func(*apitest.Server)) *apitest.Server {
	t.Helper()
	return besideAgent(t, with(corev1.ContainerStatus{RestartCount: 3, State: corev1.ContainerState{Terminated: exit(137, 20*time.Second)}}, logOf(3, 20*time.Second)), token, entries, before)
}

// besideAgent is a cluster with an agent on node n1 beside what there is. Of entries it gives two pages, of none one.
func besideAgent(t *testing.T, s *evidence.Snapshot, token string, entries []record.Entry, before func(*apitest.Server)) *apitest.Server {
	t.Helper()
	own := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace, Name: "inquest-agent-x", Labels: map[string]string{"app.kubernetes.io/name": "inquest-agent"}}}
	own.Spec.NodeName = "n1"
	own.Spec.Containers = []corev1.Container{{Name: "agent", Ports: []corev1.ContainerPort{{ContainerPort: 9444}}}}
	own.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	s.Objects = append(s.Objects, own)
	server := apitest.New(t, s)
	before(server)
	server.Answer("/serviceaccounts/inquest-reader/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodPost {
			t.Errorf("the token is asked for by %s", r.Method)
		}
		fmt.Fprintf(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","status":{"token":%q}}`, token)
	})
	mine := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get(record.TokenHeader) != token {
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		return true
	}
	server.Answer("pods/https:inquest-agent-x:9444/proxy/v1/entries", func(w http.ResponseWriter, r *http.Request) {
		if !mine(w, r) {
			return
		}
		page, last := entries[:len(entries)/2], `{"next":5,"more":true}`
		if len(entries) == 0 || r.URL.Query().Get("since") == "5" {
			page, last = entries[len(entries)/2:], `{"next":9,"node":"n1","features":{"signals":"no tracefs"}}`
		}
		for _, e := range page {
			data, err := json.Marshal(e)
			if err != nil {
				t.Error(err)
			}
			_, _ = fmt.Fprintf(w, "%s\n", data)
		}
		_, _ = io.WriteString(w, last+"\n")
	})
	return server
}

func TestClusterAsksTheAgent(t *testing.T) {
	of := evidence.RefTo("Pod", "shop", "web-7-a").InContainer("app")
	at := noon().Add(-time.Minute)
	uid := ""
	for _, p := range evidence.List[*corev1.Pod](shop().Freeze()) {
		if p.Name == "web-7-a" {
			uid = string(p.UID)
		}
	}
	run := func(n, code int, uid string) record.Entry {
		return record.Entry{PodUID: uid, Run: &record.Run{Of: of.InAttempt(n), State: record.Exited, Started: at.Add(-time.Minute), Finished: at, ExitCode: code, Reason: "Error", Log: true}}
	}
	log := func(n int, text string) record.Entry {
		return record.Entry{PodUID: uid, Log: &record.Log{Of: of.InAttempt(n), Text: text}}
	}
	used := record.Entry{PodUID: uid, Fact: &evidence.Fact{Kind: evidence.Usage, Source: evidence.FromMetric, About: of.InAttempt(4), At: at, Where: "cgroup", Name: "usage.cpu", Text: "used"}}
	fact := func(about evidence.Ref, uid, text string) record.Entry {
		return record.Entry{PodUID: uid, Fact: &evidence.Fact{Kind: evidence.Host, Source: evidence.FromKernel, About: about, At: at, Where: "trace", Name: "signal-host", Text: text}}
	}
	server := withAgent(t, "t0ken", []record.Entry{
		run(1, 137, uid), run(2, 143, uid), run(0, 1, "of an earlier pod"),
		fact(of.InAttempt(1), uid, "SIGKILL with password=hunter22"), fact(of.InAttempt(1), "of an earlier pod", "x"),
		fact(evidence.RefTo("Node", "", "n1"), "", "of the node"), fact(evidence.RefTo("Node", "", "n2"), "", "of another"),
		{Gap: &record.Gap{About: evidence.RefTo("Node", "", "n1"), What: "kernel", To: at, Count: 3, Unit: "records", Why: "the ring was overrun"}},
		log(1, "2026-08-24T10:00:00Z first\npassword=hunter22\n"), log(3, "that the API server gave"), log(4, "of a run that goes on"), log(2, ""), used,
	}, func(*apitest.Server) {})
	s := mustAsk(t, server, pod("web-7-a"))
	var got []string
	for _, a := range s.Attempts(s.Subject) {
		first, rest, _ := strings.Cut(a.Log.Text, "\n")
		if strings.Contains(rest, "hunter22") {
			t.Errorf("the log of %s is %q", a.Of, a.Log.Text)
		}
		got = append(got, fmt.Sprintf("%s %d %s %q", a.Of, a.ExitCode, a.Where, first))
	}
	for _, f := range s.Facts {
		got = append(got, f.About.String()+" "+f.Text)
	}
	want := `pod/web-7-a[app]#1 137 runtime "2026-08-24T10:00:00Z first"
pod/web-7-a[app]#2 143 runtime ""
pod/web-7-a[app]#3 137 status.containerStatuses[app].state.terminated "2026-03-01T09:59:30.5Z line of attempt 3"
node/n1 of the node
node/n1 kernel: the ring was overrun (3 records)
pod/web-7-a[app]#1 SIGKILL with password=[masked]
pod/web-7-a[app]#4 used`
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Has&evidence.Host == 0 || s.Lacks(evidence.Host, s.Subject) != 0 || s.Lacks(evidence.Signals, s.Subject) == 0 {
		t.Errorf("has %s, gaps %v", s.Has, s.Gaps)
	}
	asked := server.Requests()
	agents := slices.DeleteFunc(slices.Clone(asked), func(r string) bool { return !strings.Contains(r, "inquest") })
	if len(asked) > mostForPod || len(agents) != 4 || slices.ContainsFunc(asked, func(r string) bool { return strings.Contains(r, "metrics.k8s.io") }) {
		t.Errorf("%d requests, of an agent with two pages %q", len(asked), agents)
	}
	if s.Has&evidence.Usage == 0 || s.Lacks(evidence.Usage, s.Subject) != 0 {
		t.Errorf("of usage there is %s, gaps %v", s.Has, s.Gaps)
	}
}

func TestALogThatAnAgentDidNotSendIsAGap(t *testing.T) {
	of := evidence.RefTo("Pod", "shop", "web-7-a").InContainer("app").InAttempt(2)
	full := record.Log{Of: of, Missing: "it is kept, and this answer was full"}
	h := &hearing{runs: map[evidence.Ref]*record.Run{of: {Of: of, State: record.Exited, Finished: noon()}}}
	h.logs = append(h.logs, h.end(&full))
	v := &visit{}
	v.keepLogs(h)
	if len(v.s.Logs) != 0 || len(v.s.Gaps) != 1 || v.s.Gaps[0].About != of || !strings.Contains(v.s.Gaps[0].Why, full.Missing) {
		t.Errorf("logs %v, gaps %v", v.s.Logs, v.s.Gaps)
	}
}

func TestClusterSaysWhyNoAgentWasHeard(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(*apitest.Server)
		want string
	}{
		"no token":   {func(s *apitest.Server) { s.Fail("/token", http.StatusForbidden, "no") }, "no token of service account inquest-reader"},
		"no listing": {func(s *apitest.Server) { s.Fail("/namespaces/inquest/pods", http.StatusForbidden, "no") }, "forbidden: cannot list pods in namespace inquest"},
		"no account": {func(s *apitest.Server) { s.Fail("/token", http.StatusNotFound, "no") }, "there is no service account inquest-reader in namespace inquest: apply deploy/agent/reader.yaml"},
		"no proxy": {func(s *apitest.Server) {
			s.Answer("/v1/entries", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","details":{"name":"https:inquest-agent-x:9444","kind":"pods"},"code":403,
					"message":"pods \"https:inquest-agent-x:9444\" is forbidden: User \"u\" cannot get resource \"pods/proxy\" in API group \"\" in the namespace \"inquest\""}`)
			})
		}, "its agent was not heard: forbidden: cannot get pods/proxy in namespace inquest: the Role inquest-agents there"},
		"not let in": {says(http.StatusForbidden, "forbidden: user \"x\" may not get nodefacts.kubeinquest.io/n1"), "may not get nodefacts.kubeinquest.io/n1: bind the ClusterRole inquest-agent-reader"},
		"no user":    {says(http.StatusUnauthorized, "the token is not one for the agent of this node"), "not heard: the token is not one for the agent"},
		"busy":       {says(http.StatusServiceUnavailable, "too many requests are under way, ask again in a second"), "not heard: too many requests are under way"},
		"away":       {says(http.StatusServiceUnavailable, "error trying to reach service: dial tcp 10.0.0.1:9437: connect: connection refused"), "the API server cannot reach it: connection refused"},
		"not running": {func(s *apitest.Server) {
			s.Answer("/namespaces/inquest/pods", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"namespace":"inquest","name":"inquest-agent-x"},"spec":{"nodeName":"n1"},
					"status":{"containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}},
					"lastState":{"terminated":{"exitCode":1,"message":"level=INFO\ninquest-agent: open the record: read-only file system\n"}}}]}}]}`)
			})
		}, "its agent does not run (CrashLoopBackOff: inquest-agent: open the record: read-only file system): see kubectl -n inquest describe pod/inquest-agent-x"},
		"nonsense": {func(s *apitest.Server) {
			s.Answer("/v1/entries", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
		}, "its agent was not heard: read its record"},
	} {
		t.Run(name, func(t *testing.T) {
			server := withAgent(t, "t", nil, c.fail)
			s := mustAsk(t, server, pod("web-7-a"))
			var all []string
			for _, g := range s.Gaps {
				all = append(all, g.Why)
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) || s.Lacks(evidence.Host, s.Subject) == 0 {
				t.Errorf("the gaps are\n%s", text)
			}
		})
	}
}

// says has an agent answer in its own words, which the API server hands on.
func says(status int, text string) func(*apitest.Server) {
	return func(s *apitest.Server) {
		s.Answer("/v1/entries", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) })
	}
}

// TestClusterFollowsNoAgentElsewhere has an agent that points at a server of its own: the API server hands that on.
func TestClusterFollowsNoAgentElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s went elsewhere, with %v", r.URL, r.Header)
	}))
	defer elsewhere.Close()
	server := withAgent(t, "t", nil, func(s *apitest.Server) {
		s.Answer("/v1/entries", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	})
	if s := mustAsk(t, server, pod("web-7-a")); s.Lacks(evidence.Host, s.Subject) == 0 {
		t.Errorf("the gaps are %v", s.Gaps)
	}
}

// TestAHearingKnowsWhatDoesNotWork has features that fail since a time, and what the end says of how they are now.
func TestAHearingKnowsWhatDoesNotWork(t *testing.T) {
	failed := `{"gap":{"what":"signals","from":"2026-08-24T10:00:00Z","why":"no tracefs"},"gapOf":{"kind":"Node","name":"n1"}}`
	for text, want := range map[string]string{
		failed + `{"next":2,"features":{"signals":"no tracefs"}}`: "signals: no tracefs",
		failed + `{"next":2,"features":{"signals":""}}`:           "",
		`{"next":2,"features":{"kernel":"may not"}}`:              "kernel: may not",
		`{"next":2,"features":{"usage":"off"}}`:                   "",
	} {
		h := &hearing{node: evidence.RefTo("Node", "", "n1")}
		if err := heard(h, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got := ""
		for _, g := range h.gaps {
			got += g.Why
		}
		if got != want {
			t.Errorf("%s: %q, facts %v", text, got, h.facts)
		}
	}
}

// heard reads an answer as a whole.
func heard(h *hearing, text string) error {
	last, err := readEntries(strings.NewReader(text), h.take)
	if err == nil && last.More {
		err = errors.New("more")
	}
	if err == nil {
		h.now(last.Features)
	}
	return err
}

// TestAHearingTellsWhetherItWasAll has answers that break off, and what an agent may not say.
func TestAHearingTellsWhetherItWasAll(t *testing.T) {
	node := evidence.RefTo("Node", "", "n1")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u"}}
	of := `"runOf":{"kind":"Pod","namespace":"shop","name":"web","container":"app","attempt":`
	run := `{"pod":"u","run":{"state":"exited","message":"password=hunter22"},` + of + `1}}` + "\n"
	for _, c := range []struct {
		name, text, err string
		runs            int
	}{
		{"whole", run + `{"next":2}`, "", 1},
		{"broken off between two", run, "unexpected EOF", 1},
		{"broken off within one", run + `{"run`, "unexpected EOF", 1},
		{"empty", "", "unexpected EOF", 0},
		{"at a limit", run + `{"next":2,"more":true}`, "more", 1},
		{"with an error", run + `{"next":2,"error":"the disk\nfailed"}`, "the disk failed", 1},
		{"of no run", `{"pod":"u","run":{},` + of + `-1}}{"next":2}`, "", 0},
		{"of another, behind what may be said", `{"pod":"u","run":{},` + of + `-1},"gap":{"what":"logs"},"gapOf":{"kind":"Node","name":"n2"}}{"next":2}`, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &hearing{node: node, pods: map[string]*corev1.Pod{"u": pod}, runs: map[evidence.Ref]*record.Run{}}
			got := ""
			if err := heard(h, c.text); err != nil {
				got = err.Error()
			}
			if got != c.err || len(h.runs) != c.runs || len(h.facts) > 0 {
				t.Errorf("%q, %d runs, facts %v", got, len(h.runs), h.facts)
			}
			for _, r := range h.runs {
				if r.Message != "password=[masked]" {
					t.Errorf("the message is %q", r.Message)
				}
			}
		})
	}
}

func TestAskAgent(t *testing.T) {
	run := record.Entry{PodUID: "u", Run: &record.Run{Of: evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(1), Command: []string{"app", "--password=hunter22"}}}
	server := withAgent(t, "t0ken", []record.Entry{run}, func(*apitest.Server) {})
	entries, err := Cluster{Config: server.Config()}.AskAgent(t.Context(), "n1", AgentRecord, url.Values{"since": {"5"}})
	if err != nil || len(entries) != 1 || strings.Contains(strings.Join(entries[0].Run.Command, " "), "hunter22") {
		t.Errorf("the agent says %v, error %v", entries, err)
	}
	both := []record.Entry{run, run}
	both[1].Run = &record.Run{Of: run.Run.Of.InAttempt(2), Command: []string{"app", "--password", "hunter22"}}
	server = withAgent(t, "t0ken", both, func(*apitest.Server) {})
	entries, err = Cluster{Config: server.Config()}.AskAgent(t.Context(), "n1", AgentRecord, nil)
	if err != nil || len(entries) != 2 || strings.Contains(strings.Join(entries[1].Run.Command, " "), "hunter22") {
		t.Errorf("in two answers the agent says %v, error %v", entries, err)
	}
	for node, want := range map[string]string{"n9": "there is no node n9"} {
		if _, err := (Cluster{Config: server.Config()}).AskAgent(t.Context(), node, AgentRecord, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of node %s the error is %v, want %q", node, err, want)
		}
	}
}

// TestStaticPods: kubelet and runtime know a pod that is made of a file by another UID than the API.
func TestStaticPods(t *testing.T) {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "etcd-n1", UID: "u"}}
	if got := uidOnNode(p); got != "u" {
		t.Errorf("got %s", got)
	}
	p.Annotations = map[string]string{"kubernetes.io/config.mirror": "0123456789abcdef0123456789abcdef", "kubernetes.io/config.hash": "0123456789abcdef0123456789abcdef"}
	RedactObject(p)
	if got := uidOnNode(p); got != "0123456789abcdef0123456789abcdef" {
		t.Errorf("of a pod that is made of a file: %s", got)
	}
}
