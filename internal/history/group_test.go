// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestLifeOfAnIncident(t *testing.T) {
	var now clock
	everywhere(t, Options{Targets: []string{"mail"}, Hold: time.Nanosecond, Now: now.now}, func(t *testing.T, s *Store) {
		step := func(what string, minute, deaths int, state State, reopened int) {
			t.Helper()
			must(t, s.Sweep(t.Context(), noon.Add(time.Duration(minute)*time.Minute)))
			all := incidents(t, s, Filter{})
			want(t, what+": incidents", len(all), 1)
			want(t, what+": deaths", all[0].Deaths, deaths)
			want(t, what+": state", all[0].State, state)
			want(t, what+": reopened", all[0].Reopened, reopened)
			want(t, what+": listed by state", len(incidents(t, s, Filter{States: []State{state}})), 1)
			want(t, what+": found by state", len(incidents(t, s, Filter{States: []State{state}, Text: "memory"})), 1)
		}
		now.set(noon)
		must(t, s.Record(t.Context(), death("web-0", 0, 0)))
		step("opens", 1, 1, StateOpen, 0)
		must(t, s.Record(t.Context(), death("web-1", 0, 9)))
		step("grows", 10, 2, StateOpen, 0)
		step("quiets", 20, 2, StateQuiet, 0)
		must(t, s.Record(t.Context(), death("web-0", 1, 30)))
		step("wakes", 31, 3, StateOpen, 0)
		step("closes", 91, 3, StateClosed, 0)
		must(t, s.Record(t.Context(), death("web-0", 2, 600)))
		step("reopens", 601, 4, StateOpen, 1)
		must(t, s.Record(t.Context(), death("web-2", 0, 5)))
		step("a death told late", 602, 5, StateOpen, 1)
		step("closes again", 700, 5, StateClosed, 1)

		now.set(noon.Add(12 * time.Hour))
		notices, err := s.Take(t.Context(), "", "", 10, time.Minute)
		must(t, err)
		id := incidents(t, s, Filter{})[0].ID
		var keys []string
		for _, n := range notices {
			keys = append(keys, n.Key)
		}
		want(t, "notices", len(keys), 4)
		for i, key := range []string{"/0/open", "/0/closed", "/1/open", "/1/closed"} {
			want(t, "notice", keys[i], id+key)
		}
		must(t, s.Record(t.Context(), death("web-0", 9, 60*48)))
		want(t, "incidents two days later", len(incidents(t, s, Filter{})), 2)
	})
}

func TestOneCauseIsOneIncident(t *testing.T) {
	node := evidence.RefTo("Node", "", "n1")
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		var all []Death
		for i := range 40 {
			all = append(all, death("web-"+string(rune('a'+i)), 0, i%5).of("NOD002", node, true).in([]string{"shop", "bank"}[i%2]))
		}
		must(t, s.Record(t.Context(), all...))
		got := incidents(t, s, Filter{})
		want(t, "incidents", len(got), 1)
		want(t, "deaths", got[0].Deaths, 40)
		want(t, "pods", got[0].Pods, 40)
		want(t, "namespaces", len(got[0].Namespaces), 2)
		elsewhere := all[0].in("x")
		elsewhere.Cluster = "another"
		must(t, s.Record(t.Context(), elsewhere, all[1].of("MEM001", node, true).in("y")))
		want(t, "other clusters and rules are others", len(incidents(t, s, Filter{})), 3)
	})
}

// TestMoves: a death moves with its settled verdict; an incident without deaths goes, unless somebody was told of it.
func TestMoves(t *testing.T) {
	var now clock
	node, web := evidence.RefTo("Node", "", "n1"), evidence.RefTo("Deployment", "shop", "web")
	everywhere(t, Options{Targets: []string{"chat"}, Now: now.now}, func(t *testing.T, s *Store) {
		now.set(noon)
		first := death("web-0", 0, 0).of("EXT001", web, false)
		must(t, s.Record(t.Context(), first))
		id := incidents(t, s, Filter{})[0].ID
		must(t, s.Record(t.Context(), first.of("EXT001", web, true)))
		want(t, "the same cause keeps its name", incidents(t, s, Filter{})[0].ID, id)

		second := death("web-1", 0, 30*60).of("EXT001", web, false)
		must(t, s.Record(t.Context(), second, second.of("NOD002", node, true)))
		all := incidents(t, s, Filter{})
		want(t, "incidents", len(all), 2)
		want(t, "the latest", all[0].Rule, "NOD002")

		third := death("web-2", 0, 90*60).of("EXT001", web, false)
		must(t, s.Record(t.Context(), third))
		now.set(noon.Add(time.Minute))
		_, err := s.Take(t.Context(), "", "", 10, time.Minute)
		must(t, err)
		must(t, s.Record(t.Context(), third.of("NOD009", node, true)))
		all = incidents(t, s, Filter{})
		want(t, "incidents, one that was told of and is empty", len(all), 4)
		want(t, "the latest", all[0].Rule+all[0].State.String(), "NOD009open")
		want(t, "what stays", all[1].Rule+all[1].State.String()+all[1].Title, "EXT001closedits deaths turned out to have other causes")
		want(t, "its deaths", all[1].Deaths, 0)
	})
}

// TestALoopIsOneIncident: what is only guessed of a run goes with what evidence said of others of its container, before and after it.
func TestALoopIsOneIncident(t *testing.T) {
	web := evidence.RefTo("Deployment", "shop", "web")
	run := func(n, minute int, rule, confidence string, settled bool) Death {
		d := death("web-0", n, minute).of(rule, web.InContainer("app"), settled)
		d.Verdict.Confidence = confidence
		return d
	}
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		are := func(what, expected string) {
			t.Helper()
			var got []string
			for _, in := range incidents(t, s, Filter{}) {
				got = append(got, fmt.Sprint(in.Rule, " ", in.Deaths, " of ", in.Pods))
			}
			want(t, what, strings.Join(got, ", "), expected)
		}
		must(t, s.Record(t.Context(), run(0, 0, "", "", false), run(1, 1, "EXT007", "possible", false)))
		are("guesses", "EXT007 1 of 1,  1 of 1")
		must(t, s.Record(t.Context(), run(1, 1, "EXT025", "certain", true)))
		are("one is explained", "EXT025 2 of 1")
		must(t, s.Record(t.Context(), run(2, 5, "EXT007", "possible", false)))
		are("the next is guessed at", "EXT025 3 of 1")
		must(t, s.GiveUp(t.Context(), "it was deleted", run(2, 5, "", "", false)))
		must(t, s.Record(t.Context(), run(3, 6, "EXT025", "certain", true)))
		are("it was never captured", "EXT025 4 of 1")
		must(t, s.Record(t.Context(), run(4, 7, "MEM001", "certain", false)))
		are("another cause that the status proves", "MEM001 1 of 1, EXT025 4 of 1")
		must(t, s.Record(t.Context(), run(5, 100, "EXT007", "possible", false)))
		are("long after", "EXT007 1 of 1, MEM001 1 of 1, EXT025 4 of 1")
		must(t, s.Record(t.Context(), run(5, 100, "EXT001", "likely", true), run(6, 101, "EXT007", "possible", false), run(6, 101, "EXT007", "possible", true)))
		are("two that are explained differently", "EXT007 1 of 1, EXT001 1 of 1, MEM001 1 of 1, EXT025 4 of 1")
	})
}

func TestOutbox(t *testing.T) {
	var now clock
	everywhere(t, Options{Targets: []string{"chat", "mail"}, Now: now.now}, func(t *testing.T, s *Store) {
		take := func(what string, after time.Duration, expected int) []Notice {
			t.Helper()
			now.set(noon.Add(after))
			got, err := s.Take(t.Context(), "", "", 10, time.Minute)
			must(t, err)
			want(t, what, len(got), expected)
			return got
		}
		now.set(noon)
		must(t, s.Record(t.Context(), death("web-0", 0, 0)))
		take("held back", time.Second, 0)
		got := take("due", 4*time.Second, 2)
		take("leased", 30*time.Second, 0)
		must(t, s.Told(t.Context(), got[0]))
		must(t, s.Untold(t.Context(), got[1], "no route", 0))
		take("too early", 34*time.Second, 0)
		again := take("after five seconds", 36*time.Second, 1)
		want(t, "which", again[0].Target, got[1].Target)
		want(t, "tries", again[0].Tries, 2)
		must(t, s.Untold(t.Context(), again[0], "no route", 0))
		take("after twice as long, too early", 45*time.Second, 0)
		take("after twice as long", 47*time.Second, 1)
		take("the lease ended", 3*time.Minute, 1)
		must(t, s.Record(t.Context(), death("web-1", 0, 1)))
		take("growing is not told", 3*time.Minute, 0)
		waiting, _, err := s.Untaken(t.Context())
		must(t, err)
		want(t, "waiting", waiting, 1)
	})
}
