// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	eventsv1 "k8s.io/api/events/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A board is an API server that keeps the notes of Events, by namespace and thing.
type board struct {
	mu    sync.Mutex
	notes map[string]string
}

func (b *board) serve(t *testing.T) *httptest.Server {
	t.Helper()
	b.notes = map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"metadata":{"uid":"u"}}`)
			return
		}
		var e eventsv1.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.notes[e.Namespace+"/"+e.Regarding.Kind] = e.Note
	}))
	t.Cleanup(s.Close)
	return s
}

// spaces are the namespaces of a cluster.
func spaces(names ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return names, nil }
}

// TestDiscreetEvents: who may read Events of one namespace reads there of an incident what lies in it, and no names of others.
func TestDiscreetEvents(t *testing.T) {
	all := []string{"shop", "bank", "vault"}
	node, service := evidence.RefTo("Node", "", "n1"), evidence.RefTo("Service", "bank", "ledger")
	for name, tt := range map[string]struct {
		spaces  []string
		thing   evidence.Ref
		message map[string]string // by namespace of who died
		want    map[string]string
	}{
		"a node, two namespaces": {all, node, map[string]string{"shop": "node n1 is busy: most by vault/safe-0 (3000m), shop/web-0", "bank": "node n1 is busy, and teller-1 and keeper-0 with it"}, map[string]string{
			"shop/Pod": "node n1 is busy: most by (elsewhere) (3000m), shop/web-0", "shop/Deployment": "node n1 is busy: most by (elsewhere) (3000m), shop/web-0 (1 death in 1 pod)",
			"bank/Pod": "node n1 is busy, and teller-1 and (elsewhere) with it", "bank/Deployment": "node n1 is busy, and teller-1 and (elsewhere) with it (1 death in 1 pod)",
		}},
		"a cause in another one": {all, service, map[string]string{"shop": "Service ledger has no endpoints"}, map[string]string{
			"shop/Pod": "its cause lies in another namespace", "shop/Deployment": "its cause lies in another namespace (1 death in 1 pod)",
		}},
		"who may not list namespaces": {nil, node, map[string]string{"shop": "beside bank/x-0, keeper-0 and registry/app", "bank": "it died"}, map[string]string{
			"shop/Pod": "beside (elsewhere), (elsewhere) and registry/app", "bank/Pod": "it died",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var b board
			s, w := b.serve(t), newWorld(t)
			for space, message := range tt.message {
				must(t, w.Store.Record(t.Context(), history.Death{
					Cluster: cluster, PodUID: space, Of: evidence.RefTo("Pod", space, "web-0").InContainer("app").InAttempt(0), Workload: evidence.RefTo("Deployment", space, "web"),
					Finished: w.now(), Seen: w.now(), Verdict: &history.Verdict{Rule: "NOD001", Confidence: "likely", Message: message, Thing: tt.thing, Settled: true,
						Names: []evidence.Ref{evidence.RefTo("", "vault", "keeper-0"), evidence.RefTo("", space, "teller-1")}},
				}))
			}
			a := &Announcer{Store: w.Store, Cluster: cluster, Client: asking(t, s.URL), Console: "https://inquest.example.com/", Log: slog.New(slog.DiscardHandler), Now: w.now, All: spaces(tt.spaces...)}
			must(t, a.look(t.Context()))
			for of, note := range tt.want {
				got, link, _ := strings.Cut(b.notes[of], "; ")
				want(t, of, got, note)
				if !strings.HasPrefix(link, "https://inquest.example.com/incidents/") {
					t.Errorf("%s has the link %q", of, link)
				}
			}
		})
	}
}

func TestHideNames(t *testing.T) {
	foreign := func(name string) bool { return name == "bank" }
	for text, expected := range map[string]string{
		"bank/ledger-0, shop/web-0":                   "(elsewhere), shop/web-0",
		"db.bank.svc, web.shop.svc and bank.example":  "(elsewhere), web.shop.svc and bank.example",
		`namespace bank; namespace "bank"; -n bank x`: `namespace (elsewhere); namespace "(elsewhere)"; -n (elsewhere) x`,
		"a bank died": "a bank died",
	} {
		want(t, text, hideNames(text, foreign), expected)
	}
}
