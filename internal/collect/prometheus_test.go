// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
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
		"no matrix": {serve: func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "series") {
				fmt.Fprint(w, `{"status":"success","data":[]}`)
				return
			}
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`)
		}, want: "a vector was expected"},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.url
			if c.serve != nil {
				s := httptest.NewServer(c.serve)
				defer s.Close()
				url = s.URL
			}
			_, err := Prometheus{URL: url, Window: time.Hour}.Usage(t.Context(), web, "app", time.Unix(1_750_000_000, 0))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestPodsOf: the names of pods by their workload, and of those whose names are much alike.
func TestPodsOf(t *testing.T) {
	long := strings.Repeat("l", 50)
	longest := strings.Repeat("l", 60)
	for ref, c := range map[evidence.Ref]struct{ are, others []string }{
		web: {
			[]string{"web-5d4c8b7f9-bcd2f", "web-7c9f6bd5c4-x2k4z", "web-c9f6b-x2k4z"},
			[]string{"web", "web-0", "web-db-0", "web-agent-x2k4z", "web-db-x2k4z", "web-x2k4z", "web-5d4c8b7f9-bcd2", "web-5d4c8b7f9-bcd2f4", "web-29384756-x2k4z", "my-web-5d4c8b7f9-bcd2f", "web-api-5d4c8b7f9-bcd2f"},
		},
		evidence.RefTo("StatefulSet", "shop", "db"):   {[]string{"db-0", "db-12"}, []string{"db", "db-x2k4z", "db-0-0", "db-replica-0"}},
		evidence.RefTo("DaemonSet", "shop", "a.b"):    {[]string{"a.b-x2k4z"}, []string{"a-b-x2k4z", "axb-x2k4z", "a.b-0", "a.b-agent", "a.b-5d4c8b7f9-x2k4z"}},
		evidence.RefTo("CronJob", "shop", "night"):    {[]string{"night-29384756-x2k4z", "night-29384756-3-x2k4z"}, []string{"night-x2k4z", "night-5d4c8b7f9-x2k4z", "night-shift-29384756-x2k4z"}},
		evidence.RefTo("Job", "shop", "load"):         {[]string{"load-x2k4z", "load-12-x2k4z"}, []string{"load-b-x2k4z", "load-agent"}},
		evidence.RefTo("Pod", "shop", "one"):          {[]string{"one"}, []string{"one-0"}},
		evidence.RefTo("Deployment", "shop", long):    {[]string{long + "-c9f6bd5" + "x2k4z", long + "-c9f6b-x2k4z"}, []string{long + "-0"}},
		evidence.RefTo("Deployment", "shop", longest): {[]string{longest[:58] + "x2k4z"}, []string{longest}},
	} {
		pattern := regexp.MustCompile("^(?:" + podsOf(ref) + ")$") // as Prometheus anchors it
		for _, name := range c.are {
			if !pattern.MatchString(name) {
				t.Errorf("%s: %s is none of its pods, by %s", ref, name, pattern)
			}
		}
		for _, name := range c.others {
			if pattern.MatchString(name) {
				t.Errorf("%s: %s is one of its pods, by %s", ref, name, pattern)
			}
		}
	}
}
