// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/watch"
)

// guarded is an API server that allows what is listed, as "watch shop" or "watch" for all.
func guarded(t *testing.T, allowed ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		what := "get " + strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/")
		if r.URL.Query().Get("watch") == "true" {
			_, within, _ := strings.Cut(r.URL.Path, "/namespaces/")
			what = strings.TrimSpace("watch " + strings.TrimSuffix(within, "/pods"))
		}
		switch {
		case !slices.Contains(allowed, what):
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`)
		case what == "get kube-system":
			fmt.Fprint(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"u1"}}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestNarrow: which namespaces are watched, in which history, and what is said of it.
func TestNarrow(t *testing.T) {
	for _, tt := range []struct {
		name, args, names string // names is the namespace of the context
		allowed           []string
		want              []string // the namespaces and the history; or what is wrong
		says              string
	}{
		{"all", "", "shop", []string{"watch", "get kube-system"}, []string{"u1"}, ""},
		{"some of all", "-n shop,bank -n shop", "", []string{"watch shop", "watch bank", "get kube-system"}, []string{"bank", "shop", "u1+bank+shop"}, ""},
		{"some that may be watched", "-n shop,bank", "", []string{"watch shop", "get kube-system"}, []string{"bank", "shop", "u1+bank+shop"}, ""},
		{"the one that the context names", "", "shop", []string{"watch shop", "get kube-system"}, []string{"shop", "u1+shop"}, "namespace shop is watched, which the context names"},
		{"none is named", "", "", []string{"watch shop", "get kube-system"}, []string{"say with -n which ones to watch"}, ""},
		{"one is empty", "-n shop,", "", []string{"watch shop", "get kube-system"}, []string{`"", as -n has it, is no name of a namespace`}, ""},
		{"one is no name", "-n shop/web", "", []string{"watch shop", "get kube-system"}, []string{`"shop/web", as -n has it, is no name of a namespace`}, ""},
		{"none may be watched", "-n shop", "", []string{"watch bank", "get kube-system"}, []string{"cannot watch pods in namespace shop: ask for a role there that can, such as view"}, ""},
		{"nor the one that the context names", "", "shop", []string{"get kube-system"}, []string{"cannot watch pods in namespace shop: ask for a role there that can, such as view"}, "which the context names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			text := fmt.Sprintf(`{"current-context":"c","clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c","namespace":%q}}]}`, guarded(t, tt.allowed...), tt.names)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, said := narrowed(t, append(strings.Fields(tt.args), "--kubeconfig", file))
			if len(tt.want) == 1 && len(got) == 1 && strings.Contains(got[0], tt.want[0]) {
				got = tt.want
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !strings.Contains(said, tt.says) || tt.says == "" && said != "" {
				t.Errorf("it says %q, expected %q; (-want +got):\n%s", said, tt.says, diff)
			}
		})
	}
}

func narrowed(t *testing.T, args []string) (is []string, said string) {
	t.Helper()
	o, err := serveFor(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := (&ask{config: o.config}).restConfig()
	if err != nil {
		t.Fatal(err)
	}
	r := &watch.Recorder{}
	if err := reach(config, r); err != nil {
		t.Fatal(err)
	}
	if r.Cluster, err = identify(t.Context(), config, r.Client); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	if err := o.narrow(t.Context(), &told, r); err != nil {
		return []string{err.Error()}, told.String()
	}
	return append(slices.Clone(r.Namespaces), r.Cluster), told.String()
}

// TestIdentify: who may not read the namespace kube-system has a history by where the API server is, always the same.
func TestIdentify(t *testing.T) {
	ids := map[string]bool{}
	first := guarded(t)
	for _, host := range []string{first, first, guarded(t)} {
		o, err := serveFor(t, "--server", host)
		if err != nil {
			t.Fatal(err)
		}
		config, err := (&ask{config: o.config}).restConfig()
		if err != nil {
			t.Fatal(err)
		}
		r := &watch.Recorder{}
		if err := reach(config, r); err != nil {
			t.Fatal(err)
		}
		id, err := identify(t.Context(), config, r.Client)
		if err != nil || len(id) != 32 {
			t.Fatalf("%q, %v", id, err)
		}
		ids[id] = true
	}
	if len(ids) != 2 {
		t.Errorf("two API servers are %v", ids)
	}
}
