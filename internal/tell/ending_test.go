// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestEndsWhileTelling: what a target took is not told again because the program ended meanwhile.
func TestEndsWhileTelling(t *testing.T) {
	w := newWorld(t, hook(t, "http://127.0.0.1:1"))
	w.dies("web", "it died", "web-0")
	w.after(4 * time.Second)
	c := w.course(&w.Config.Targets[0])
	ctx, end := context.WithCancel(t.Context())
	sent := 0
	c.send = func(context.Context, []*message) error {
		sent++
		end()
		return nil
	}
	must(t, c.deliver(ctx))
	waiting, _, err := w.Store.Untaken(t.Context())
	must(t, err)
	want(t, "sent", sent, 1)
	want(t, "waiting", waiting, 0)
}

// TestAway: who was not to be reached while an incident opened and closed hears of both in one message, and who was of its end.
func TestAway(t *testing.T) {
	for away, state := range map[bool]string{true: "[OPENED AND CLOSED]", false: "[CLOSED]"} {
		w := newWorld(t, hook(t, "http://127.0.0.1:1"))
		c := w.course(&w.Config.Targets[0])
		var told []string
		c.send = func(_ context.Context, messages []*message) error {
			if away {
				return &refusal{status: http.StatusServiceUnavailable}
			}
			for _, m := range messages {
				told = append(told, m.headline())
			}
			return nil
		}
		w.dies("web", "it died", "web-0")
		w.after(4 * time.Second)
		must(t, c.deliver(t.Context()))
		w.after(3 * time.Hour)
		must(t, w.Store.Sweep(t.Context(), w.now()))
		must(t, c.deliver(t.Context()))
		told, away = nil, false
		for range 3 {
			w.after(time.Hour)
			must(t, c.deliver(t.Context()))
		}
		want(t, state+": messages", len(told), 1)
		if len(told) == 1 && !strings.HasPrefix(told[0], state) {
			t.Errorf("%q was told, expected %s", told[0], state)
		}
	}
}

// TestRefusedEvents: a namespace that takes no Events, as one whose quota is used up, does not keep others from theirs; it gets its own
// when it takes them again.
func TestRefusedEvents(t *testing.T) {
	var refuses atomic.Bool
	var api, web atomic.Int32
	refuses.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		own := strings.Contains(string(body), `"name":"web`)
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"metadata":{"uid":"u"}}`)
		case own && refuses.Load():
			http.Error(w, "exceeded quota", http.StatusForbidden)
		case own:
			web.Add(1)
		default:
			api.Add(1)
		}
	}))
	defer s.Close()
	client := asking(t, s.URL)
	w := newWorld(t)
	w.dies("api", "it died", "api-0")
	w.after(time.Second)
	w.dies("web", "it died", "web-0") // is looked at first
	a := &Announcer{Store: w.Store, Cluster: cluster, Client: client, Log: slog.New(slog.DiscardHandler), Now: w.now, All: spaces()}
	if err := a.look(t.Context()); !apierrors.IsForbidden(err) {
		t.Errorf("%v: expected that it tells of the refusal", err)
	}
	want(t, "Events of api", api.Load(), 2)
	must(t, a.look(t.Context())) // asks for nothing that was refused just now
	refuses.Store(false)
	w.after(again)
	must(t, a.look(t.Context()))
	want(t, "Events of web", web.Load(), 2)
	want(t, "Events of api, written once", api.Load(), 2)
}

// TestRefusalsTold: what is refused is told of once in a while, however often it is looked.
func TestRefusalsTold(t *testing.T) {
	w := newWorld(t)
	a := &Announcer{Log: w.Log, Now: w.now}
	for range 5 {
		a.warn(apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "x", nil))
	}
	if log := w.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "deploy/rbac/events.yaml") {
		t.Errorf("the log: %s", log)
	}
	w.after(again)
	a.warn(apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "x", nil))
	want(t, "lines after a while", strings.Count(w.log.String(), "\n"), 2)
}

// TestLongNote: however long a verdict is, the note fits and its link is whole.
func TestLongNote(t *testing.T) {
	w := newWorld(t)
	a := &Announcer{Store: w.Store, Console: "https://inquest.example.com", All: spaces()}
	got, err := a.note(t.Context(), &history.Incident{ID: "abc"}, &mention{of: evidence.RefTo("Pod", "shop", "web-0"), said: strings.Repeat("ü long ", 500)})
	must(t, err)
	if len(got) > 1024 || !strings.HasSuffix(got, "…; https://inquest.example.com/incidents/abc") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// asking is a client of a server, of any API.
func asking(t *testing.T, url string) rest.Interface {
	t.Helper()
	client, err := rest.RESTClientFor(&rest.Config{
		Host: url, APIPath: "/api", QPS: -1, Timeout: patience,
		ContentConfig: rest.ContentConfig{GroupVersion: &corev1.SchemeGroupVersion, NegotiatedSerializer: scheme.Codecs.WithoutConversion()},
	})
	must(t, err)
	return client
}

// TestNowhereToWrite: a namespace that ends takes no Events, which is asked of it once; a node is in none.
func TestNowhereToWrite(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"metadata":{"uid":"u"}}`)
			return
		}
		if r.URL.Path != "/apis/events.k8s.io/v1/namespaces/shop/events" {
			t.Errorf("it writes to %s", r.URL.Path)
		}
		asked.Add(1)
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"details":{"causes":[{"reason":"NamespaceTerminating"}]}}`)
	}))
	defer s.Close()
	w := newWorld(t)
	w.dies("web", "it died", "web-0")
	node := evidence.RefTo("Node", "", "n1")
	verdict := &history.Verdict{Rule: "NOD001", Confidence: "certain", Message: "it is silent", Thing: node, Settled: true, Version: "v0"}
	must(t, w.Store.Record(t.Context(), history.Death{Cluster: cluster, Kind: history.Stuck, PodUID: "n", Of: node, Workload: node, Node: "n1", Seen: w.now(), Verdict: verdict}))
	a := &Announcer{Store: w.Store, Cluster: cluster, Client: asking(t, s.URL), Log: slog.New(slog.DiscardHandler), Now: w.now, All: spaces()}
	for range 2 {
		must(t, a.look(t.Context()))
	}
	want(t, "Events of web and its pod", asked.Load(), 2)
}

// TestBack: what a target was not told before it was taken out of the configuration waits for nobody meanwhile, and is not told when it
// comes back after the incident closed, which nobody noted for it.
func TestBack(t *testing.T) {
	w := newWorld(t, hook(t, "http://127.0.0.1:1"))
	file := filepath.Join(t.TempDir(), "history.db")
	configured := func(names ...string) {
		t.Helper()
		must(t, w.Store.Close())
		var err error
		w.Store, err = history.Open(t.Context(), file, history.Options{Targets: names, Now: w.now})
		must(t, err)
	}
	waiting := func(what string, expected int) {
		t.Helper()
		n, _, err := w.Store.Untaken(t.Context())
		must(t, err)
		want(t, what, n, expected)
	}
	c := w.course(&w.Config.Targets[0])
	var told []string
	c.send = func(_ context.Context, messages []*message) error {
		for _, m := range messages {
			told = append(told, m.headline())
		}
		return nil
	}

	configured("hook")
	w.dies("web", "it died", "web-0")
	waiting("waiting before it is taken out", 1)
	configured()
	waiting("waiting for nobody", 0)
	w.after(3 * time.Hour)
	must(t, w.Store.Sweep(t.Context(), w.now()))
	configured("hook")
	w.tell(c)
	waiting("waiting when it is back", 0)
	want(t, "told of what is over", len(told), 0)
	w.dies("api", "it died", "api-0")
	w.after(time.Minute)
	w.tell(c)
	waiting("waiting in the end", 0)
	want(t, "told of what is new", len(told), 1)
}
