// SPDX-License-Identifier: Apache-2.0

package history

import (
	"strings"
	"testing"
	"time"
)

// TestGrowth: an incident is told of again when it reached ten pods, unless that was told with the last message.
func TestGrowth(t *testing.T) {
	var now clock
	everywhere(t, Options{Targets: []string{"chat", "mail"}, Hold: time.Nanosecond, Now: now.now}, func(t *testing.T, s *Store) {
		now.set(noon)
		var pods []Death
		for pod := range strings.SplitSeq("abcdefghijkl", "") {
			pods = append(pods, death("web-"+pod, 0, 0))
		}
		must(t, s.Record(t.Context(), pods[:3]...))
		take := func(what, target string, minute int, keys ...string) []Notice {
			t.Helper()
			now.set(noon.Add(time.Duration(minute) * time.Minute))
			got, err := s.Take(t.Context(), cluster, target, 10, 30*time.Second)
			must(t, err)
			want(t, what, len(got), len(keys))
			for i := range got {
				_, key, _ := strings.Cut(got[i].Key, "/")
				want(t, what, key, keys[min(i, len(keys)-1)])
				want(t, what+": target", got[i].Target, target)
			}
			return got
		}
		chat := take("the opening", "chat", 1, "0/open")
		chat[0].Pods = 3
		must(t, s.Told(t.Context(), chat...))
		must(t, s.Record(t.Context(), pods...))
		take("the growth", "chat", 2, "0/open/10")
		mail := take("what mail has not heard", "mail", 2, "0/open", "0/open/10")
		mail[0].Pods = 12
		must(t, s.Told(t.Context(), mail[0]))
		take("told as one", "mail", 4)
		other, err := s.Take(t.Context(), "another cluster", "", 10, time.Minute)
		must(t, err)
		want(t, "of another cluster", len(other), 0)
		must(t, s.Sweep(t.Context(), noon.Add(2*time.Hour)))
		chat = take("growth and end", "chat", 5, "0/open/10", "0/closed")
		must(t, s.Told(t.Context(), chat[1]))
		take("the end covers the growth", "chat", 7)
	})
}

// TestTallyRetained: what died after retention took all before it is counted, though SQLite gives its numbers anew.
func TestTallyRetained(t *testing.T) {
	var now clock
	everywhere(t, Options{Now: now.now}, func(t *testing.T, s *Store) {
		now.set(noon)
		for i := range 3 {
			must(t, s.Record(t.Context(), death("web-0", i, i)))
		}
		place := int64(0)
		tally := func(counted int) {
			t.Helper()
			got, next, err := s.Tally(t.Context(), cluster, place, now.now().Add(time.Hour))
			must(t, err)
			want(t, "counted", len(got), counted)
			place = next
		}
		tally(3)
		now.set(noon.Add(100 * 24 * time.Hour))
		removed, err := s.Retain(t.Context(), now.now(), Retention{Age: 24 * time.Hour})
		must(t, err)
		want(t, "removed", removed.Deaths, 3)
		tally(0)
		must(t, s.Record(t.Context(), death("web-1", 0, 100*24*60)))
		tally(1)
		tally(0)
	})
}

func TestTally(t *testing.T) {
	var now clock
	everywhere(t, Options{Now: now.now}, func(t *testing.T, s *Store) {
		now.set(noon)
		must(t, s.Record(t.Context(), death("before", 0, 0)))
		_, place, err := s.Tally(t.Context(), cluster, -1, noon)
		must(t, err)
		now.set(noon.Add(time.Minute))
		foreign := death("web-9", 0, 0)
		foreign.Cluster = "another"
		counted := death("web-1", 0, 0)
		counted.Verdict, counted.Missing = nil, "not seen"
		must(t, s.Record(t.Context(), death("web-0", 0, 0), foreign, counted))
		now.set(noon.Add(2 * time.Minute))
		later := death("web-2", 0, 0)
		later.Seen = noon.Add(2 * time.Minute)
		must(t, s.Record(t.Context(), later))
		got, place, err := s.Tally(t.Context(), cluster, place, noon.Add(time.Minute))
		must(t, err)
		want(t, "counted", len(got), 2)
		want(t, "the first", got[0], Tallied{Kind: Died, Namespace: "shop", Rule: "MEM001", Lag: got[0].Lag})
		want(t, "without evidence", got[1], Tallied{Kind: Died, Namespace: "shop", Missing: "not seen", Counted: true, Lag: got[1].Lag})
		got, _, err = s.Tally(t.Context(), cluster, place, noon.Add(time.Hour))
		must(t, err)
		want(t, "the rest", len(got), 1)

		v, err := s.Vital(t.Context(), cluster)
		must(t, err)
		want(t, "open", v.Open, 1)
		want(t, "unsettled", v.Unsettled, 0)
		foreign = foreign.of("MEM001", foreign.Workload, false)
		foreign.PodUID = "uid-web-8"
		must(t, s.Record(t.Context(), foreign))
		v, err = s.Vital(t.Context(), cluster)
		must(t, err)
		want(t, "unsettled here, and one elsewhere", v.Unsettled, 0)
		want(t, "since", v.Oldest, time.Time{})
		v, err = s.Vital(t.Context(), foreign.Cluster)
		must(t, err)
		want(t, "unsettled there", v.Unsettled, 1)
		if v.Bytes <= 0 {
			t.Error("the history has no size")
		}
	})
}
