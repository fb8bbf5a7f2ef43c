// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestAlerts follows an incident as Alertmanager is told of it: opened, grown, told again while it is open, closed.
func TestAlerts(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, alerts(s.URL+"/prefix"))
	c := w.course(&w.Config.Targets[0])
	w.dies("web", "container app was killed at its memory limit of 256Mi", "web-0", "web-1")
	w.tell(c)
	want(t, "told before the verdict is settled", len(s.taken()), 0)
	w.after(4 * time.Second)
	w.tell(c)
	w.tell(c)
	got := s.taken()
	want(t, "requests", len(got), 1)
	want(t, "path", got[0].path, "/prefix/api/v2/alerts")
	first := posted(t, got[0])[0]
	want(t, "rule, namespace", first.Labels["rule"]+" "+first.Labels["namespace"], "MEM001 shop")
	want(t, "summary", first.Annotations["summary"], "container app was killed at its memory limit of 256Mi")
	want(t, "fix", first.Annotations["fix"], "Raise the memory limit of app to 512Mi")
	want(t, "link", first.GeneratorURL, "https://inquest.example.com/incidents/"+first.Labels["incident"])
	want(t, "starts", first.StartsAt, noon)
	want(t, "ends", first.EndsAt, w.now().Add(4*resend))

	w.after(time.Minute)
	c.repeat(t.Context())
	again := posted(t, s.taken()[0])[0]
	want(t, "identity", fmt.Sprint(again.Labels), fmt.Sprint(first.Labels))
	want(t, "ends later", again.EndsAt, w.now().Add(4*resend))

	var more []string
	for i := range 9 {
		more = append(more, fmt.Sprintf("web-x%d", i))
	}
	w.dies("web", "container app was killed at its memory limit of 256Mi", more...)
	w.after(4 * time.Second)
	w.tell(c)
	grown := posted(t, s.taken()[0])[0]
	want(t, "identity", fmt.Sprint(grown.Labels), fmt.Sprint(first.Labels))
	if !strings.Contains(grown.Annotations["description"], "11 deaths in 11 pods on n1") {
		t.Errorf("growth is not told: %q", grown.Annotations["description"])
	}

	alertEnds(t, w, c, s, first)
}

// alertEnds closes the incident of an alert.
func alertEnds(t *testing.T, w *world, c *course, s *server, first alert) {
	t.Helper()
	w.after(2 * time.Hour)
	must(t, w.Store.Sweep(t.Context(), w.now()))
	c.repeat(t.Context())
	want(t, "told again when closed", len(s.taken()), 0)
	w.after(4 * time.Second)
	w.tell(c)
	ended := posted(t, s.taken()[0])[0]
	want(t, "identity", fmt.Sprint(ended.Labels), fmt.Sprint(first.Labels))
	want(t, "ended", ended.EndsAt, w.now().Add(-skew))
}

// TestMisbehaviour: whatever a target does, each notice comes in the end, under its one key.
func TestMisbehaviour(t *testing.T) {
	hang := make(chan struct{})
	for name, answer := range map[string]func(http.ResponseWriter){
		"500":      status(500),
		"404":      status(404),
		"redirect": status(http.StatusTemporaryRedirect, "Location", "http://169.254.169.254/latest/meta-data/"),
		"429":      status(http.StatusTooManyRequests, "Retry-After", "120"),
		"broken":   func(w http.ResponseWriter) { hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n") },
		"closed":   func(w http.ResponseWriter) { hijack(t, w, "") },
		"hang":     func(http.ResponseWriter) { <-hang },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			w := newWorld(t, hook(t, s.URL+"/secret-path-of-the-hook"))
			w.Wait = 300 * time.Millisecond
			c := w.course(&w.Config.Targets[0])
			w.dies("web", "it died", "web-0")
			w.after(4 * time.Second)
			s.next(answer)
			w.tell(c)
			if name == "hang" {
				close(hang)
			}
			if name == "429" {
				w.after(time.Minute)
				w.tell(c)
				want(t, "requests within the pause it asked for", len(s.taken()), 1)
			}
			w.after(2 * time.Minute)
			w.tell(c)
			got := s.taken()
			var keys []string
			for _, r := range got {
				keys = append(keys, r.head.Get("Idempotency-Key"))
			}
			if name != "429" {
				want(t, "requests", len(got), 2)
				want(t, "key of the second", keys[1], keys[0])
			}
			waiting, _, err := w.Store.Untaken(t.Context())
			must(t, err)
			want(t, "waiting", waiting, 0)
			if log := w.log.String(); !strings.Contains(log, `"target":"hook"`) || strings.Contains(log, "secret-path") {
				t.Errorf("the log does not name the target, or tells its address: %s", log)
			}
		})
	}
}

func hijack(t *testing.T, w http.ResponseWriter, text string) {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = conn.Write([]byte(text))
	conn.Close()
}

// TestWebhook checks what a receiver relies on: the envelope, and the signature.
func TestWebhook(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, hook(t, s.URL))
	c := w.course(&w.Config.Targets[0])
	w.dies("web", "container app was killed at its memory limit of 256Mi", "web-0")
	w.after(4 * time.Second)
	w.tell(c)
	got := s.taken()
	want(t, "requests", len(got), 1)
	r := got[0]
	want(t, "signature", r.head.Get("Inquest-Signature"), "v1="+sign([]byte(hookKey), r.head.Get("Inquest-Timestamp"), []byte(r.body)))
	want(t, "content type", r.head.Get("Content-Type"), "application/cloudevents+json; charset=utf-8")
	var e cloudEvent
	must(t, json.Unmarshal([]byte(r.body), &e))
	want(t, "version", e.SpecVersion, "1.0")
	want(t, "id", e.ID, r.head.Get("Idempotency-Key"))
	want(t, "source", e.Source, "/clusters/"+cluster)
	want(t, "type", e.Type, "io.kubeinquest.incident.opened")
	want(t, "subject", e.Subject, "shop/Deployment/web")
	want(t, "pods", e.Data.Pods, 1)
	want(t, "command", e.Data.Command, "kubectl -n shop patch deployment web")
}

// TestSign holds a signature that was made with openssl dgst -sha256 -hmac.
func TestSign(t *testing.T) {
	want(t, "signature", sign([]byte("key"), "1772366400", []byte(`{"a":1}`)), "90a64f88ebf606de162bfece044c01c80129bba6361c091018f52b4b50366e6b")
}

// TestGone: nobody is told of the opening of what has closed since.
func TestGone(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, hook(t, s.URL))
	c := w.course(&w.Config.Targets[0])
	w.dies("web", "it died", "web-0")
	w.after(2 * time.Hour)
	must(t, w.Store.Sweep(t.Context(), w.now()))
	w.after(4 * time.Second)
	w.tell(c)
	got := s.taken()
	want(t, "requests", len(got), 1)
	if !strings.Contains(got[0].body, `"type":"io.kubeinquest.incident.closed"`) {
		t.Errorf("got %s", got[0].body)
	}
}

// TestGivenUp: what a target does not take for a day is not tried for ever.
func TestGivenUp(t *testing.T) {
	s := newServer(t)
	w := newWorld(t, hook(t, s.URL))
	c := w.course(&w.Config.Targets[0])
	w.dies("web", "it died", "web-0")
	began := w.now()
	for waiting := 1; waiting > 0; {
		s.next(status(500))
		w.after(31 * time.Minute)
		w.tell(c)
		var err error
		waiting, _, err = w.Store.Untaken(t.Context())
		must(t, err)
	}
	want(t, "tries", len(s.taken()), mostTries)
	if after := w.now().Sub(began); after < 24*time.Hour {
		t.Errorf("given up after %s", after)
	}
}

// TestSeverity: what reaches beyond a workload pages people, unless somebody empties a node on purpose.
func TestSeverity(t *testing.T) {
	node, web := evidence.RefTo("Node", "", "n1"), evidence.RefTo("Deployment", "shop", "web")
	for _, c := range []struct {
		rule  string
		thing evidence.Ref
		want  string
	}{{"NOD001", node, "critical"}, {"EVC011", node, "warning"}, {"MEM001", web, "warning"}, {"CTL001", evidence.Ref{}, "critical"}} {
		want(t, c.rule+" of "+c.thing.String(), severity(&history.Incident{Rule: c.rule, Thing: c.thing}), c.want)
	}
}
