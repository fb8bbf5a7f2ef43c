// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
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
	client, err := rest.RESTClientFor(&rest.Config{
		Host: s.URL, APIPath: "/api", QPS: -1, Timeout: patience,
		ContentConfig: rest.ContentConfig{GroupVersion: &corev1.SchemeGroupVersion, NegotiatedSerializer: scheme.Codecs.WithoutConversion()},
	})
	must(t, err)
	w := newWorld(t)
	w.dies("api", "it died", "api-0")
	w.after(time.Second)
	w.dies("web", "it died", "web-0") // is looked at first
	a := &Announcer{Store: w.Store, Cluster: cluster, Client: client, Log: slog.New(slog.DiscardHandler), Now: w.now}
	if err := a.look(t.Context()); !apierrors.IsForbidden(err) {
		t.Errorf("%v: expected that it tells of the refusal", err)
	}
	want(t, "Events of api", api.Load(), 2)
	refuses.Store(false)
	must(t, a.look(t.Context()))
	want(t, "Events of web", web.Load(), 2)
	want(t, "Events of api, written once", api.Load(), 2)
}
