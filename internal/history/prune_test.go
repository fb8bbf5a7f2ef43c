// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"testing"
	"time"
)

// TestPrune: names of nodes, images and workloads go with the last that has them, a part of them each time; those that a death or an incident
// has stay.
func TestPrune(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		const old = atOnce/2 + 10
		named := func(d Death, name string) Death {
			d.Node, d.Image, d.Workload.Name = "node-"+name, "image-"+name, "workload-"+name
			d.Verdict.Rule = "R" + name
			return d
		}
		for i := range old {
			must(t, s.Record(t.Context(), named(death(fmt.Sprintf("web-%d", i), 0, -60*24*9), fmt.Sprint(i))))
		}
		young := named(death("young", 0, 0), "young")
		must(t, s.Record(t.Context(), named(death("lives", 0, -60*24*9), "lives"), named(death("lives", 1, -60*24*8), "lives")))
		lives := named(death("lives", 2, -60*24*7), "lives")
		lives.Node, lives.Image = "node-young", "image-young" // the incident lists those of its deaths before as well
		must(t, s.Record(t.Context(), young, lives))
		names := func() (n int) {
			must(t, s.reads.QueryRow(`SELECT COUNT(*) FROM names`).Scan(&n))
			return n
		}
		before := names()
		want(t, "names", before, 3*old+6)
		must(t, s.Sweep(t.Context(), noon))
		for range 3 {
			_, err := s.Retain(t.Context(), noon, Retention{Age: 7*24*time.Hour + time.Hour})
			must(t, err)
		}
		want(t, "names that are left", names(), 6)
		kept := incidents(t, s, Filter{Rule: "Rlives"})
		want(t, "what an incident lists", fmt.Sprint(kept[0].Nodes, kept[0].Images, kept[0].Workloads), "[node-lives node-young] [image-lives image-young] [Deployment/workload-lives]")
		must(t, s.Record(t.Context(), named(death("web-1", 1, 0), "1")))
		want(t, "of one that comes again", deaths(t, s, Filter{Rule: "R1"})[0].Image, "image-1")
		want(t, "names then", names(), 9)
	})
}

// TestPruneIsBounded: one retention looks at so many names and no more, and the next goes on.
func TestPruneIsBounded(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		const all = prunings*atOnce + 100
		must(t, s.do(t.Context(), func(t *txn) error {
			for i := range all {
				if err := t.exec(`INSERT INTO names (name) VALUES ($1)`, fmt.Sprint("unused-", i)); err != nil {
					return err
				}
			}
			return nil
		}))
		for _, left := range []int{100, 0, 0} {
			_, err := s.Retain(t.Context(), noon, Retention{})
			must(t, err)
			var n int
			must(t, s.reads.QueryRow(`SELECT COUNT(*) FROM names`).Scan(&n))
			want(t, "names that are left", n, left)
		}
	})
}
