// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestEvents(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		pod := evidence.RefTo("Pod", "shop", "web-0")
		e := Event{Cluster: cluster, ID: "e1", Event: evidence.Event{
			About: pod, UID: "u", Type: "Warning", Reason: "BackOff", Message: "back-off", First: noon, Last: noon, Count: 1, Reporter: "kubelet", ReportingHost: "n1",
		}}
		later := e
		later.Count, later.Last = 5, noon.Add(time.Minute)
		other := e
		other.ID, other.About, other.Last = "e2", evidence.RefTo("Node", "", "n1"), noon.Add(2*time.Minute)
		must(t, s.Events(t.Context(), e, later, e, other))
		got, err := s.EventsOf(t.Context(), cluster, pod, noon, noon.Add(time.Hour), nil, 10)
		must(t, err)
		if diff := cmp.Diff([]Event{later}, got); diff != "" {
			t.Error(diff)
		}
		got, err = s.EventsOf(t.Context(), cluster, evidence.Ref{}, noon.Add(90*time.Second), time.Time{}, nil, 10)
		must(t, err)
		want(t, "by time", len(got), 1)
	})
}

func TestGaps(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		g := Gap{Cluster: cluster, From: noon, What: "the watch of pods was interrupted"}
		must(t, s.Gaps(t.Context(), g))
		g.To = noon.Add(time.Minute)
		must(t, s.Gaps(t.Context(), g))
		got, err := s.GapsIn(t.Context(), cluster, noon.Add(-time.Hour), noon.Add(time.Hour), nil, 10)
		must(t, err)
		if diff := cmp.Diff([]Gap{g}, got); diff != "" {
			t.Error(diff)
		}
		got, err = s.GapsIn(t.Context(), cluster, noon.Add(time.Hour), time.Time{}, nil, 10)
		must(t, err)
		want(t, "gaps later", len(got), 0)
	})
}

// TestSilent: that nobody watches is known before anybody can keep it.
func TestSilent(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		silent := func(now, before time.Time) []Gap {
			t.Helper()
			gaps, err := s.Silent(t.Context(), cluster, now, before)
			must(t, err)
			return gaps
		}
		_, err := s.Begin(t.Context(), cluster, noon)
		must(t, err)
		want(t, "gaps of what was never watched", len(silent(noon.Add(time.Hour), time.Time{})), 0)
		must(t, s.Beat(t.Context(), cluster, noon))
		want(t, "gaps of what is watched", len(silent(noon.Add(Silence), time.Time{})), 0)
		got := silent(noon.Add(2*Silence), time.Time{})
		if diff := cmp.Diff([]Gap{{Cluster: cluster, What: "no recorder gave a sign of life", From: noon}}, got); diff != "" {
			t.Error(diff)
		}
		want(t, "gaps before it", len(silent(noon.Add(time.Hour), noon)), 0)
		gaps, err := s.Silent(t.Context(), "another", noon.Add(time.Hour), time.Time{})
		must(t, err)
		want(t, "gaps of another cluster", len(gaps), 0)
		of := func() string {
			gaps, err := s.Silent(t.Context(), "", noon.Add(2*Silence), time.Time{})
			must(t, err)
			said := ""
			for _, g := range gaps {
				said += g.Cluster + ": " + g.What + " since " + g.From.Format(time.TimeOnly) + "\n"
			}
			return said
		}
		want(t, "gaps of all", of(), cluster+": no recorder gave a sign of life since 12:00:00\n")
		_, err = s.Begin(t.Context(), "another", noon)
		must(t, err)
		must(t, s.Beat(t.Context(), "another", noon.Add(Silence)))
		want(t, "gaps of all, where there are two", of(), cluster+": no recorder of cluster "+cluster+" gave a sign of life since 12:00:00\n")
	})
}

// TestSilentForLong: among several clusters one that is no more is not told of for ever; one alone is.
func TestSilentForLong(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		for i, name := range []string{cluster, "another"} {
			_, err := s.Begin(t.Context(), name, noon)
			must(t, err)
			must(t, s.Beat(t.Context(), name, noon))
			for after, told := range map[time.Duration]int{SilenceTold - time.Hour: i + 1, SilenceTold + time.Hour: 1 - i} {
				gaps, err := s.Silent(t.Context(), "", noon.Add(after), time.Time{})
				must(t, err)
				want(t, fmt.Sprintf("%d clusters after %s", i+1, after), len(gaps), told)
			}
		}
	})
}

// TestBeyond: what was not to be watched is no gap of what was.
func TestBeyond(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		for _, what := range []string{Beyond + "namespace shop", "nothing was heard of nodes"} {
			must(t, s.Gaps(t.Context(), Gap{Cluster: cluster, What: what, From: noon}))
		}
		gaps, err := s.Unseen(t.Context(), &Incident{Cluster: cluster, First: noon, Last: noon.Add(time.Hour)}, noon.Add(time.Hour), nil)
		must(t, err)
		v, err := s.Vital(t.Context(), cluster)
		must(t, err)
		if len(gaps) != 1 || gaps[0].Elsewhere() || v.Gaps > 1 {
			t.Errorf("%v, %d are counted", gaps, v.Gaps)
		}
	})
}

// TestAround: an incident that may go on is looked for in what was not seen until now.
func TestAround(t *testing.T) {
	in := Incident{First: noon, Last: noon.Add(time.Hour), State: StateQuiet}
	for now, until := range map[time.Duration]time.Duration{time.Hour: time.Hour + margin, 5 * time.Hour: 5 * time.Hour} {
		from, to := in.Around(noon.Add(now))
		want(t, "from", from, noon.Add(-margin))
		want(t, "to", to, noon.Add(until))
	}
	in.State = StateClosed
	_, to := in.Around(noon.Add(5 * time.Hour))
	want(t, "to, of a closed one", to, noon.Add(time.Hour+margin))
}

func TestHeat(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		missing := death("web-1", 0, 5)
		missing.Verdict, missing.Missing = nil, "gone"
		must(t, s.Record(t.Context(), death("web-0", 0, 1), death("web-0", 1, 2), death("web-0", 2, 70), missing))
		got, err := s.Heat(t.Context(), Filter{})
		must(t, err)
		web := evidence.RefTo("Deployment", "shop", "web")
		if diff := cmp.Diff([]Cell{
			{"shop", web, noon.Add(time.Hour), "MEM001", 1, 0}, {"shop", web, noon, "", 1, 1}, {"shop", web, noon, "MEM001", 2, 0},
		}, got); diff != "" {
			t.Error(diff)
		}
		got, err = s.Heat(t.Context(), Filter{Limit: 1})
		must(t, err)
		if len(got) != 1 || !got[0].Hour.Equal(noon.Add(time.Hour)) {
			t.Errorf("%v: of more than there is room for, expected the latest", got)
		}
		n, err := s.Count(t.Context(), Filter{})
		must(t, err)
		want(t, "runs", n, Count{Recorded: 3, Missing: 1})
	})
}

func TestRetain(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		shared := []byte(strings.Repeat("kind: Node\n", 200))
		own := func(d Death) Death {
			d.Verdict.Bundle = map[string][]byte{"node.yaml": shared, "logs/" + d.Of.Name: []byte(d.Of.String())}
			return d
		}
		old, young := own(death("web-0", 0, -60*24*9)), own(death("web-1", 0, 0))
		lives := own(death("web-2", 0, -60*24*9).of("LONG", evidence.Cluster, true))
		must(t, s.Record(t.Context(), old, young, lives))
		for i := range 9 {
			must(t, s.Record(t.Context(), own(death("web-2", i+1, -60*24*(8-i)).of("LONG", evidence.Cluster, true))))
		}
		must(t, s.Events(t.Context(), Event{Cluster: cluster, ID: "e", Event: evidence.Event{Last: noon.Add(-240 * time.Hour)}}))
		must(t, s.Sweep(t.Context(), noon))
		got, err := s.Retain(t.Context(), noon, Retention{Age: 7*24*time.Hour + time.Hour})
		must(t, err)
		want(t, "removed", got, Removed{Deaths: 3, Incidents: 1, Events: 1})
		all := incidents(t, s, Filter{})
		want(t, "incidents", len(all), 2)
		for _, in := range all {
			if in.Rule == "LONG" {
				want(t, "deaths of the one that lives on", in.Deaths, 10)
			}
		}
		want(t, "deaths", len(deaths(t, s, Filter{})), 9)
		var blobs int
		must(t, s.reads.QueryRow(`SELECT COUNT(*) FROM blobs`).Scan(&blobs))
		want(t, "blobs: the shared one, packs", blobs, 1+9)
		for _, d := range deaths(t, s, Filter{}) {
			files, err := s.Bundle(t.Context(), d.ID, nil)
			must(t, err)
			want(t, "shared file", string(files["node.yaml"]), string(shared))
		}
		_, err = s.Retain(t.Context(), noon.Add(48*time.Hour), Retention{Bytes: 1})
		must(t, err)
		want(t, "deaths that fit", len(deaths(t, s, Filter{})), 0)
		var messages int
		must(t, s.reads.QueryRow(`SELECT COUNT(*) FROM messages`).Scan(&messages))
		want(t, "messages", messages, 0)
	})
}

// TestFit: a death does not have to go because of Events that are older.
func TestFit(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		var told []Event
		for i := range 3000 {
			told = append(told, Event{Cluster: cluster, ID: fmt.Sprint(i), Event: evidence.Event{
				About: evidence.RefTo("Pod", "shop", "web"), Message: strings.Repeat("x", 1000), Last: noon.Add(-120*time.Hour + time.Duration(i)*time.Second),
			}})
		}
		must(t, s.Events(t.Context(), told...))
		must(t, s.Record(t.Context(), death("web-0", 0, -60*48)))
		size, err := s.Size(t.Context())
		must(t, err)
		removed, err := s.Retain(t.Context(), noon, Retention{Bytes: size / 2})
		must(t, err)
		want(t, "deaths", len(deaths(t, s, Filter{})), 1)
		want(t, "some of the Events went", removed.Events > 0 && removed.Events < 3000, true)
		_, err = s.Retain(t.Context(), noon, Retention{Bytes: 1})
		must(t, err)
		left, err := s.EventsOf(t.Context(), cluster, evidence.Ref{}, time.Time{}, time.Time{}, nil, 0)
		must(t, err)
		want(t, "Events that fit in nothing", len(left), 0)
	})
}

func TestRerun(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		for i := range 3 {
			d := death(fmt.Sprintf("web-%d", i), 0, i)
			d.Verdict.Bundle = map[string][]byte{"meta.yaml": fmt.Append(nil, i)}
			must(t, s.Record(t.Context(), d))
		}
		must(t, s.Record(t.Context(), death("no-bundle", 0, 9)))
		var changed []string
		sum, err := s.Rerun(t.Context(), Filter{Limit: 2}, func(_ context.Context, d Death, files map[string][]byte) (Verdict, error) {
			v := *d.Verdict
			switch string(files["meta.yaml"]) {
			case "0":
				v.Rule = "NEW001"
			case "1":
				return v, errors.New("unreadable")
			}
			return v, nil
		}, func(r Rerun) error {
			changed = append(changed, r.Death.Of.Name+" "+r.Now.Rule)
			return nil
		})
		must(t, err)
		want(t, "sum", sum, Again{Deaths: 3, Changed: 1, Failed: 1})
		want(t, "changed", fmt.Sprint(changed), "[web-0 NEW001]")
	})
}

func TestChanges(t *testing.T) {
	s := open(t, "memory:", Options{})
	changes, cancel := s.Changes()
	defer cancel()
	must(t, s.Record(t.Context(), death("web-0", 0, 0)))
	c := <-changes
	want(t, "incidents", fmt.Sprint(c.Incidents), "["+incidents(t, s, Filter{})[0].ID+"]")
	want(t, "deaths", len(c.Deaths), 1)
	must(t, s.Record(t.Context(), death("web-0", 0, 0)))
	for i := range mostBehind + 8 {
		must(t, s.Record(t.Context(), death("web-0", i+1, 0)))
	}
	for range mostBehind - 1 {
		c = <-changes
		want(t, "look again", c.LookAgain, false)
	}
	want(t, "the last one", (<-changes).LookAgain, true)
	must(t, s.Record(t.Context(), death("web-0", 1000, 0)))
	want(t, "after that", len((<-changes).Deaths), 1)
	must(t, s.Close())
	_, more := <-changes
	want(t, "more", more, false)
	want(t, "closed", errors.Is(s.Record(t.Context(), death("web-0", 1001, 0)), ErrClosed), true)
}

// TestTogether: many writers and readers at once; each is answered, and all is there.
func TestTogether(t *testing.T) {
	for name, url := range backends() {
		t.Run(name, func(t *testing.T) { writeTogether(t, open(t, url(t), Options{})) })
	}
}

func writeTogether(t *testing.T, s *Store) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 4 {
				d := death(fmt.Sprintf("web-%d", w), i, i)
				d.Verdict.Bundle = map[string][]byte{"node.yaml": []byte("the same"), "own": fmt.Append(nil, w, i)}
				if err := s.Record(t.Context(), d); err != nil {
					t.Error(err)
				}
				if _, err := s.Incidents(t.Context(), Filter{Text: "web"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	in := incidents(t, s, Filter{})
	want(t, "incidents", len(in), 1)
	want(t, "deaths", in[0].Deaths, 32)
	want(t, "pods", in[0].Pods, 8)
	must(t, s.Check(t.Context()))
}

// TestSearchPages: an incident that touches several namespaces is found once, and does not hide what is behind it; also once the index
// was put in order.
func TestSearchPages(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		s.eraBits = 1
		node := evidence.RefTo("Node", "", "n1")
		for i := range 4 {
			pod := fmt.Sprint("web-", i)
			must(t, s.Record(t.Context(), death(pod, 0, i).of("EXT001", evidence.RefTo("Deployment", "shop", pod), true)))
			must(t, s.Record(t.Context(), death(pod, 1, i).in(fmt.Sprint("other-", i)).of("NOD002", node, true)))
		}
		for _, tidy := range []bool{false, true} {
			if tidy {
				must(t, s.Tidy(t.Context()))
			}
			for _, text := range []string{"web ", "web"} {
				found := found(t, s, Filter{Text: text, Limit: 2})
				want(t, text, fmt.Sprint(found), "map[EXT001 web-0:1 EXT001 web-1:1 EXT001 web-2:1 EXT001 web-3:1 NOD002 n1:1]")
			}
		}
	})
}

// found counts how often each incident is on the pages.
func found(t *testing.T, s *Store, f Filter) map[string]int {
	t.Helper()
	all := map[string]int{}
	for {
		page, err := s.Incidents(t.Context(), f)
		must(t, err)
		for _, in := range page.Items {
			all[in.Rule+" "+in.Thing.Name]++
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return all
		}
	}
}
