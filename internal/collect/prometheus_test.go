// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

var web = evidence.RefTo("Deployment", "shop", "web")

// TestPrometheusRefuses: what is no Prometheus gives one clear sentence, without a password, and leads nowhere else.
func TestPrometheusRefuses(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the client was led elsewhere") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		url   string // instead
		want  string
	}{
		"no address": {url: "prometheus:9090", want: "give one such as http://prometheus:9090"},
		"nobody":     {url: "http://user:secret@127.0.0.1:1", want: "http://user:xxxxx@127.0.0.1:1: "},
		"an error": {serve: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "out of order", http.StatusInternalServerError)
		}, want: "server error: 500"},
		"led away": {serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, want: "ask Prometheus at "},
		"a page":   {serve: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x1b[2J") }, want: "ask Prometheus at "},
		"no matrix": {serve: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`)
		}, want: "a matrix was expected"},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.url
			if c.serve != nil {
				s := httptest.NewServer(c.serve)
				defer s.Close()
				url = s.URL
			}
			_, _, err := Prometheus{URL: url, Window: time.Hour}.Usage(t.Context(), web, "app", time.Unix(1_750_000_000, 0))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestPodsOf: the names of pods by their workload, taken literally.
func TestPodsOf(t *testing.T) {
	for ref, want := range map[evidence.Ref]string{
		web: `web-[a-z0-9]+-[a-z0-9]+`,
		evidence.RefTo("StatefulSet", "shop", "db"): `db-[0-9]+`,
		evidence.RefTo("DaemonSet", "shop", "a.b"):  `a\.b-[a-z0-9]+`,
		evidence.RefTo("CronJob", "shop", "night"):  `night-[0-9]+-[a-z0-9]+`,
		evidence.RefTo("Pod", "shop", "one"):        `one`,
	} {
		if got := podsOf(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}
