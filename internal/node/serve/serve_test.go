// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

func TestWhoMayRead(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	const log = "/v1/log?container=app&attempt=1&pod="
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/healthz", "", 200},
		{"/readyz", "", 200},
		{"/v1/entries", "", 401},
		{"/v1/entries", "unknown", 401},
		{"/v1/entries", strings.Repeat("x", maxToken+1), 401},
		{"/v1/entries", "two words", 401},
		{"/v1/entries", "nobody", 403},
		{"/v1/entries", "reader", 200},
		{"/v1/runs", "", 401},
		{"/v1/runs", "scrape", 403},
		{"/v1/runs", "reader", 200},
		{"/v1/saturation", "nobody", 403},
		{"/v1/saturation", "reader", 200},
		{log + "uid-shop", "", 401},
		{log + "uid-shop", "nobody", 403},
		{log + "uid-shop", "reader", 200},
		{log + "uid-bank", "reader", 403},
		{log + "uid-bank", "admin", 200},
		{log + "other", "admin", 404},
		{log + "uid-", "admin", 404},
		{"/v1/log?pod=uid-shop&container=app", "admin", 400},
		{"/v1/log?pod=uid-shop&pod=uid-bank&container=app&attempt=1", "admin", 400},
		{"/v1/log?pod=uid-shop&container=app&attempt=-1", "admin", 400},
		{"/metrics", "", 401},
		{"/metrics", "reader", 403},
		{"/metrics", "scrape", 200},
		{"/v2/entries", "admin", 404},
	} {
		resp, body := s.get(c.path, c.token)
		if resp.StatusCode != c.want || c.token != "" && strings.Contains(body, c.token) && c.want == 401 {
			t.Errorf("%s with token %.20q gives %s: %.200s", c.path, c.token, resp.Status, body)
		}
	}
	resp, body := s.get(log+"uid-shop", "reader")
	if body != "hello of shop" || resp.Header.Get(record.MissingHeader) != "the first lines" {
		t.Errorf("the log is %q, missing %q", body, resp.Header.Get(record.MissingHeader))
	}
	if byStatus, sent, _ := s.Counters(); byStatus[200] < 8 || byStatus[401] != 7 || sent == 0 {
		t.Errorf("counted %v, %d bytes", byStatus, sent)
	}
	if ahead, ok := api.Clock(); !ok || ahead.Abs() > time.Minute {
		t.Errorf("the API server's clock, which is the same, is %v away, known %v", ahead, ok)
	}
}

func TestBearerToken(t *testing.T) {
	fake, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	for header, want := range map[string]int{"Bearer reader": 200, "bearer  reader": 200, "Basic reader": 401, "Bearer": 401, "reader": 401} {
		req := httptest.NewRequest(http.MethodGet, "/v1/entries", nil)
		req.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		s.handle(w, req)
		if w.Code != want {
			t.Errorf("Authorization: %s gives %d", header, w.Code)
		}
	}
	if got := fake.requests(); got[0] != "whose reader" {
		t.Errorf("asked %q", got)
	}
}

// numbers are the numbers of entries, those that have one.
func numbers(list []record.Entry) string {
	var all []string
	for _, e := range list {
		if e.Seq > 0 {
			all = append(all, fmt.Sprint(e.Seq))
		}
	}
	return strings.Join(all, " ")
}

func TestEntries(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	for _, c := range []struct {
		query, token, want string
		next               uint64
		hidden             int
		more               bool
	}{
		{"", "admin", "1 2 3 4 5 6", 7, 0, false},
		{"", "reader", "1 2 5 6", 7, 2, false},
		{"?namespace=bank", "reader", "1 6", 7, 0, false}, // nobody learns by a guess what there is
		{"?namespace=bank&pod=web-0", "reader", "1 6", 7, 0, false},
		{"?pod=web-0", "reader", "1 2 5 6", 7, 0, false},
		{"?pod=uid-bank", "reader", "1 6", 7, 1, false},
		{"?pod=uid-bank&container=app", "reader", "1 6", 7, 0, false},
		{"?namespace=shop&pod=web-0&container=app", "reader", "1 2 5 6", 7, 0, false},
		{"?pod=uid-shop&pod=uid-bank&what=facts", "admin", "1 2 3", 7, 0, false},
		{"?pod=uid-shop&what=runs", "reader", "5", 7, 0, false},
		{"?container=other&what=facts,runs", "reader", "1", 7, 0, false},
		{"?what=gaps", "reader", "6", 7, 0, false},
		{"?since=4", "admin", "4 5 6", 7, 0, false},
		{"?since=7&ring=r1", "admin", "", 7, 0, false},
		{"?since=8", "admin", "1 2 3 4 5 6", 7, 0, false},
		{"?since=5&ring=another", "admin", "1 2 3 4 5 6", 7, 0, false},
		{"?limit=2", "admin", "1 2", 3, 0, true},
		{"?limit=2&since=3", "reader", "5 6", 7, 2, false},
		{"?limit=6", "admin", "1 2 3 4 5 6", 7, 0, false},
	} {
		list, tail := s.answer("/v1/entries"+c.query, c.token)
		if numbers(list) != c.want || tail.Next != c.next || tail.Hidden != c.hidden || tail.More != c.more {
			t.Errorf("%s as %s: %s, %+v", c.query, c.token, numbers(list), tail)
		}
	}
	for _, query := range []string{
		"?unknown=1", "?pod=" + strings.Repeat("x&pod=", mostPods+1) + "x", "?pod=a,b", "?since=x", "?since=-1", "?since=1&since=2", "?limit=1e9", "?what=all", "?follow=maybe", "?now=2", "?logs=x", "?logs=-1", "?pod=../../etc", "?namespace=%00", "?%zz",
		"?pod=" + strings.Repeat("x", 300), "?what=" + strings.Repeat("facts,", 100), "?since=99999999999999999999999",
	} {
		if resp, body := s.get("/v1/entries"+query, "admin"); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.60s gives %s: %.200s", query, resp.Status, body)
		}
	}
	list, tail := s.answer("/v1/runs", "reader")
	if len(list) != 2 || list[0].Run.ID != "c1" || tail.Hidden != 1 || tail.Features["signals"] != "no tracefs" || tail.Ring != "r1" ||
		list[1].Gap == nil || list[1].Gap.What != "signals" || list[1].Gap.Why != "no tracefs" || !list[1].Gap.From.IsZero() {
		t.Errorf("the runs are %v, %+v", list, tail)
	}
}

// TestWithWhatIsNow has answers with what is used now and with the ends of logs, for who may read them.
func TestWithWhatIsNow(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	pod := func(namespace string) evidence.Ref {
		return evidence.RefTo("Pod", namespace, "web-0").InContainer("app")
	}
	from.Usage = func() (list []record.Entry) {
		for _, namespace := range []string{"shop", "bank"} {
			list = append(list, record.Entry{PodUID: "uid-" + namespace, Fact: &evidence.Fact{
				Kind: evidence.Usage, Source: evidence.FromMetric, About: pod(namespace).InAttempt(1), Name: "usage.cpu", Text: "of " + namespace,
			}})
		}
		return list
	}
	long := strings.Repeat("0123456789abcde\n", logEnd/16) + "the last\n"
	from.Kept = func(uid string) []evidence.Ref {
		of := pod(strings.TrimPrefix(uid, "uid-"))
		return []evidence.Ref{of.InAttempt(3), of.InAttempt(2), of.InAttempt(1)}
	}
	log := from.Log
	from.Log = func(uid, container string, attempt int) (Log, error) {
		if attempt != 2 {
			return log(uid, container, attempt)
		}
		return Log{Of: pod(strings.TrimPrefix(uid, "uid-")).InAttempt(2), Open: func() (io.ReadCloser, string, error) {
			return io.NopCloser(strings.NewReader(long)), "", nil
		}}, nil
	}
	s := start(t, api, from, nil)
	for _, c := range []struct{ query, token, want string }{
		{"?what=facts&since=7&now=1", "reader", "usage of shop"},
		{"?what=facts&since=7&now=1&pod=uid-bank", "admin", "usage of bank"},
		{"?what=runs&since=7&now=1", "admin", ""},
		{"?what=runs&limit=1&now=1&logs=3&pod=uid-shop", "reader", ""},
		{"?what=runs&since=7&logs=3&pod=uid-shop", "reader", "log of pod/web-0[app]#2: everything before the last 65529 bytes; log of pod/web-0[app]#1: the first\nlines"},
		{"?what=runs&since=7&logs=2&pod=uid-shop", "reader", "log of pod/web-0[app]#2: everything before the last 65529 bytes"},
		{"?what=runs&since=7&logs=2&pod=uid-shop&pod=uid-shop", "reader", "log of pod/web-0[app]#2: everything before the last 65529 bytes"},
		{"?what=runs&since=7&logs=2&pod=uid-shop&container=other", "reader", ""},
		{"?what=runs&since=7&logs=3&pod=uid-bank", "reader", ""},
		{"?what=runs&since=7&logs=3", "reader", ""},
		{"?what=runs&since=7&pod=uid-shop", "reader", ""},
	} {
		list, _ := s.answer("/v1/entries"+c.query, c.token)
		var got []string
		for _, e := range list {
			switch {
			case e.Log != nil:
				got = append(got, "log of "+e.Log.Of.String()+": "+e.Log.Missing)
				if !strings.HasSuffix(e.Log.Text, "the last\n") && e.Log.Text != "hello of shop" || strings.HasPrefix(e.Log.Text, "\n") {
					t.Errorf("the log is %.40q", e.Log.Text)
				}
			case e.Fact != nil && e.Fact.Name == "usage.cpu":
				got = append(got, "usage "+e.Fact.Text)
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s as %s: %q", c.query, c.token, got)
		}
	}
}

// TestFullAnswer: logs for which there is no room any more are named.
func TestFullAnswer(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	read := from.Read
	from.Read = func(since uint64) iter.Seq2[record.Entry, error] {
		return func(yield func(record.Entry, error) bool) {
			for e, err := range read(since) {
				if e.Fact != nil && e.Fact.About.Namespace == "shop" { // nothing more, as otherwise another page would have the logs
					fact := *e.Fact
					fact.Text, e.Fact = strings.Repeat("x", mostBytes), &fact
					yield(e, err)
					return
				}
			}
		}
	}
	of := evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(1)
	from.Kept = func(string) []evidence.Ref { return []evidence.Ref{of} }
	s := start(t, api, from, nil)
	list, _ := s.answer("/v1/entries?what=facts&logs=3&pod=uid-shop", "reader")
	last := list[len(list)-1]
	if last.Log == nil || last.Log.Of != of || last.Log.Text != "" || !strings.Contains(last.Log.Missing, "full") {
		t.Errorf("%d entries, the last %.200v", len(list), last)
	}
}

// TestSwitchedOff: a source that is missing is said to be.
func TestSwitchedOff(t *testing.T) {
	_, api := newAPI(t)
	s := start(t, api, Sources{Ready: func() error { return errors.New("secret") }}, nil)
	for path, want := range map[string]int{"/v1/entries": 404, "/v1/runs": 404, "/v1/saturation": 404, "/v1/log?pod=u&container=c&attempt=0": 404, "/metrics": 200, "/readyz": 503} {
		if resp, body := s.get(path, "admin"); resp.StatusCode != want || strings.Contains(body, "secret") {
			t.Errorf("%s gives %s: %s", path, resp.Status, body)
		}
	}
}

// A reading is an answer that is being followed.
type reading struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (r reading) next() (e record.Entry, tail record.Tail) {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatalf("the answer ended: %v", r.lines.Err())
	}
	if err := json.Unmarshal(r.lines.Bytes(), &tail); err != nil {
		r.t.Fatal(err)
	}
	if tail.Node == "" {
		if err := json.Unmarshal(r.lines.Bytes(), &e); err != nil {
			r.t.Fatal(err)
		}
	}
	return e, tail
}

func TestFollow(t *testing.T) {
	fake, api := newAPI(t)
	m, from := sources()
	var mu sync.Mutex
	now := time.Now()
	s := start(t, api, from, func(s *Server) {
		s.quiet = time.Millisecond
		s.guard.now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	_, in := s.open(t.Context(), "/v1/entries?follow=1&what=gaps&limit=1", "reader")
	r := reading{t, bufio.NewScanner(in)}
	if e, _ := r.next(); e.Seq != 6 {
		t.Fatalf("the first is %d", e.Seq)
	}
	m.add(record.Entry{Gap: &record.Gap{What: "logs"}})
	for e, tail := r.next(); e.Seq != 7; e, tail = r.next() {
		if tail.Next != 7 && tail.Next != 8 {
			t.Fatalf("in between comes %+v", tail)
		}
	}
	fake.set(func() { fake.rights["reader"] = nil })
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	for _, tail := r.next(); tail.Error == ""; _, tail = r.next() {
	}
	if r.lines.Scan() {
		t.Errorf("after the token is void comes %s", r.lines.Text())
	}
}

func TestTooManyFollow(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	s := start(t, api, from, nil)
	ctx, cancel := context.WithCancel(t.Context())
	for i := range mostFollowers {
		_, in := s.open(ctx, "/v1/entries?follow=1", map[bool]string{true: "reader", false: "admin"}[i < mostFollows])
		if e, _ := (reading{t, bufio.NewScanner(in)}).next(); e.Seq != 1 {
			t.Fatalf("the first is %d", e.Seq)
		}
	}
	if resp, body := s.get("/v1/entries?follow=1", "admin"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many gets %s: %s", resp.Status, body)
	}
	if resp, _ := s.get("/v1/entries", "reader"); resp.StatusCode != http.StatusOK {
		t.Errorf("who does not follow gets %s", resp.Status)
	}
	cancel()
	for s.followers <- struct{}{}; len(s.followers) > 1; { // they are let go
		<-s.followers
		s.followers <- struct{}{}
	}
}

// A broken body fails in the middle.
type broken struct{ sent bool }

func (b *broken) Read(p []byte) (int, error) {
	if b.sent {
		return 0, errors.New("gone")
	}
	b.sent = true
	return copy(p, strings.Repeat("x", 3*chunk)), nil
}

func (*broken) Close() error { return nil }

func TestHalfALog(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	open := from.Log
	from.Log = func(uid, container string, attempt int) (Log, error) {
		l, err := open(uid, container, attempt)
		l.Open = func() (io.ReadCloser, string, error) { return &broken{}, "", nil }
		return l, err
	}
	s := start(t, api, from, nil)
	_, in := s.open(t.Context(), "/v1/log?pod=uid-shop&container=app&attempt=1", "reader")
	if data, err := io.ReadAll(in); err == nil {
		t.Errorf("half a log of %d bytes looks like a whole one", len(data))
	}
}

func TestOwnKeyPair(t *testing.T) {
	_, api := newAPI(t)
	if _, err := New(Options{Node: "n1", API: api, Cert: "none.crt", Key: "none.key"}); err == nil {
		t.Error("a key pair that is not there is taken")
	}
	if _, err := New(Options{API: api}); err == nil {
		t.Error("an agent of no node serves")
	}
	if diff := cmp.Diff("get pods/log in namespace shop", logRight("shop").String()); diff != "" {
		t.Error(diff)
	}
}

// TestRole: what is deployed grants the agent what it asks for, and nothing else.
func TestRole(t *testing.T) {
	data, err := os.ReadFile("../../../deploy/agent/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var granted []string
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			granted = append(granted, fmt.Sprintf("%s %s/%s%s", rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames))
		}
	}
	want := []string{"[create] [authentication.k8s.io]/[tokenreviews][]", "[create] [authorization.k8s.io]/[subjectaccessreviews][]"}
	if diff := cmp.Diff(want, granted); diff != "" {
		t.Errorf("(-asked +granted):\n%s", diff)
	}
}

// TestNamesOfOthers: a text that names another pod is for those who may read its logs; others are told less, or nothing.
func TestNamesOfOthers(t *testing.T) {
	_, api := newAPI(t)
	_, from := sources()
	fact := func(about evidence.Ref, uid, names, brief string) record.Entry {
		return record.Entry{PodUID: uid, Names: names, Brief: brief, Fact: &evidence.Fact{Kind: evidence.Host, Source: evidence.FromKernel, About: about, Text: "whole"}}
	}
	node, web := evidence.RefTo("Node", "", "n1"), evidence.RefTo("Pod", "shop", "web-0")
	m := newMemory(fact(web, "uid-shop", "bank", "brief"), fact(web, "uid-shop", "shop", "brief"), fact(node, "", record.Anybody, ""), fact(node, "", record.Anybody, "brief"))
	from.Read, from.Span = m.read, m.span
	s := start(t, api, from, nil)
	for token, want := range map[string]string{"admin": "1 whole, 2 whole, 3 whole, 4 whole", "reader": "1 brief, 2 whole, 4 brief"} {
		list, tail := s.answer("/v1/entries?what=facts", token)
		var got []string
		for _, e := range list {
			got = append(got, fmt.Sprint(e.Seq, " ", e.Fact.Text))
			if e.Names != "" || e.Brief != "" {
				t.Errorf("%+v is served", e)
			}
		}
		if strings.Join(got, ", ") != want || tail.Hidden != 4-len(list) {
			t.Errorf("%s sees %q, %d hidden", token, got, tail.Hidden)
		}
	}
	if m.list[0].Fact.Text != "whole" {
		t.Error("the record was changed")
	}
}
