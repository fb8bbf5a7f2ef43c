// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestRights: whoever may see one namespace sees no byte of another.
func TestRights(t *testing.T) {
	node := evidence.RefTo("Node", "", "n1")
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		mine, theirs := death("web-0", 0, 1).of("NOD002", node, true).in("shop"), death("secret-pod", 0, 2).of("NOD002", node, true).in("hidden")
		theirs.Image, theirs.Workload.Name, theirs.Node, theirs.Verdict.Message = "secret-image", "secret-owner", "secret-node", "secret message"
		only := death("secret-two", 0, 3).of("SEC001", evidence.RefTo("Deployment", "hidden", "secret-thing"), true).in("hidden")
		foreign := death("web-9", 0, 4).of("DEP001", evidence.RefTo("Service", "hidden", "secret-service"), true).in("shop")
		mine.Verdict.Bundle = map[string][]byte{
			"logs/hidden/secret/app/0.log": []byte("secret"), "objects/hidden/Pod/x.yaml": []byte("secret"), "events/hidden.yaml": []byte("secret"),
			"events/shop.yaml": []byte("mine"), "objects/_cluster/Node/n1.yaml": []byte("node"),
		}
		must(t, s.Record(t.Context(), mine, theirs, only, foreign))
		must(t, s.Events(t.Context(), Event{Cluster: cluster, ID: "e", Event: evidence.Event{About: theirs.Of, Message: "secret", Last: noon}}))
		must(t, s.Gaps(t.Context(), Gap{Cluster: cluster, Namespace: "hidden", What: "secret", From: noon}))
		theirsID := deaths(t, s, Filter{Namespaces: []string{"hidden"}})[0].ID

		allowed := []string{"shop", "other"}
		var seen bytes.Buffer
		show := func(value any, err error) {
			t.Helper()
			must(t, err)
			must(t, json.NewEncoder(&seen).Encode(value))
		}
		for _, text := range []string{"", "secret", "secret-pod", "container", "NOD002"} {
			for _, f := range []Filter{{Text: text}, {Text: text, Node: "secret-node"}, {Text: text, Rule: "NOD002"}, {Text: text, Limit: 1}} {
				f.Namespaces = allowed
				page, err := s.Incidents(t.Context(), f)
				show(page.Items, err)
				some, err := s.Deaths(t.Context(), f)
				show(some.Items, err)
				heat, err := s.Heat(t.Context(), f)
				show(heat, err)
			}
		}
		for _, in := range incidents(t, s, Filter{}) {
			_, files, err := s.Export(t.Context(), in.ID, Narrowing{Namespaces: allowed})
			if in.Rule == "SEC001" {
				want(t, "export of theirs", errors.Is(err, ErrNotFound), true)
				continue
			}
			must(t, err)
			for name, data := range files {
				show(name+string(data), nil)
			}
		}
		events, err := s.EventsOf(t.Context(), cluster, evidence.Ref{}, time.Time{}, time.Time{}, allowed, 0)
		show(events, err)
		gaps, err := s.GapsIn(t.Context(), cluster, time.Time{}, time.Time{}, allowed, 0)
		show(gaps, err)
		noSecret(t, seen.String())
		for _, err := range []error{
			second(s.Report(t.Context(), theirsID, allowed)), second(s.Bundle(t.Context(), theirsID, allowed)),
			second(s.Death(t.Context(), theirsID, allowed)), second(s.Death(t.Context(), theirsID, []string{})),
		} {
			want(t, "is not found", errors.Is(err, ErrNotFound), true)
		}
		got := incidents(t, s, Filter{Namespaces: allowed})
		want(t, "incidents", len(got), 2)
		want(t, "deaths in the shared one", got[1].Deaths, 1)
		want(t, "none at all", len(incidents(t, s, Filter{Namespaces: []string{}})), 0)
	})
}

// TestExportIsBounded: an archive has as much of the evidence of an incident as there is room for, of the latest deaths, and says how much it
// has not.
func TestExportIsBounded(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		const deaths, fit = 7, (MostExported - 1) / maxPart // what was told takes room too
		for i := range deaths {
			d := death("web-0", i, i)
			d.Verdict.Bundle = map[string][]byte{"logs/shop/web-0/app/0.log": bytes.Repeat([]byte{'a' + byte(i)}, maxPart)}
			must(t, s.Record(t.Context(), d))
		}
		_, files, err := s.Export(t.Context(), incidents(t, s, Filter{})[0].ID, Narrowing{})
		must(t, err)
		var told struct{ LeftOut int }
		must(t, json.Unmarshal(files["incident.json"], &told))
		want(t, "left out", told.LeftOut, deaths-fit)
		letters := ""
		for name, data := range files {
			if strings.HasSuffix(name, ".log") {
				letters += string(data[:1])
			}
		}
		want(t, "logs", len(letters), fit)
		want(t, "of the first two", strings.ContainsAny(letters, "ab"), false)
	})
}

// TestSearchIsNarrow: words that a report has of other namespaces find nothing in what one may see.
func TestSearchIsNarrow(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		d := death("web-0", 0, 1).of("NOD002", evidence.RefTo("Node", "", "n1"), true)
		d.Verdict.Message = "node n1 ran out of memory by bank/vault-0"
		d.Verdict.Report = []byte(`{"causes":[{"message":"node n1 evicted vault-0 and web-0, asked by vault-0.bank.svc","about":{"kind":"Node","name":"n1"},
			"facts":[{"text":"pressure of memory","about":{"kind":"Node","name":"n1"}},
				{"text":"ledger overflowed","about":{"kind":"Pod","namespace":"bank","name":"vault-0"}}],
			"against":[{"text":"x","about":{"kind":"Namespace","name":"treasury"}}],
			"leads":[{"message":"gold is gone from treasury","about":{"kind":"Pod","namespace":"bank","name":"vault-0"},
				"leads":[{"message":"web-0 was evicted","about":{"kind":"Pod","namespace":"shop","name":"web-0"}}]}]}]}`)
		must(t, s.Record(t.Context(), d))
		for text, found := range map[string]bool{
			"pressure": true, "evicted": true, "memory": true, "n1": true, "web-0": true,
			"vault-0": false, "bank": false, "ledger": false, "gold": false, "treasury": false, "bank/vault-0": false, "vault-0.bank.svc": false,
		} {
			want(t, text, len(incidents(t, s, Filter{Text: text, Namespaces: []string{"shop"}})) == 1, found)
		}
	})
}

func noSecret(t *testing.T, seen string) {
	t.Helper()
	for i, line := range strings.Split(seen, "\n") {
		if strings.Contains(line, "secret") || strings.Contains(line, "hidden") {
			t.Errorf("line %d tells of what is hidden: %.300s", i, line)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestPages: pages put together are the list, whatever the filter and the rights.
func TestPages(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		s.eraBits = 2
		var all []Death
		for i := range 30 {
			thing := evidence.RefTo("Deployment", "shop", fmt.Sprint("app", i%12))
			d := death(fmt.Sprintf("pod-%d", i), 0, i%7).of(fmt.Sprint("R", i%3), thing, true).in([]string{"shop", "bank", "lab"}[i%3/2+i%2])
			d.Node = fmt.Sprint("n", i%4)
			all = append(all, d)
		}
		must(t, s.Record(t.Context(), all...))
		for _, f := range []Filter{
			{}, {Namespaces: []string{"shop"}}, {Namespaces: []string{"shop", "bank"}}, {Text: "pod"}, {Rule: "R1"}, {Node: "n2"},
			{Text: "pod", Namespaces: []string{"shop", "lab"}}, {Text: "app7"}, {From: noon.Add(3 * time.Minute)}, {To: noon.Add(2 * time.Minute)},
			{States: []State{StateOpen}}, {States: []State{StateClosed}}, {Cluster: cluster}, {Cluster: "another"}, {Rule: "R1", Cluster: cluster},
		} {
			f.Limit = 500
			whole := incidents(t, s, f)
			wholeDeaths := deaths(t, s, f)
			for _, limit := range []int{2} {
				if ids, expected := paged(t, s, f, limit), idsOf(whole); !slices.Equal(ids, expected) {
					t.Errorf("%+v: pages of %d: got %v, want %v", f, limit, ids, expected)
				}
			}
			n := pagedDeaths(t, s, f, 7)
			want(t, fmt.Sprintf("deaths of %+v", f), n, len(wholeDeaths))
		}
		want(t, "by node", len(deaths(t, s, Filter{Node: "n2"})), 7)
		_, err := s.Incidents(t.Context(), Filter{Cursor: "nonsense"})
		want(t, "a bad cursor", errors.Is(err, ErrCursor), true)
	})
}

// TestLargestPage: the largest page is read with one more, which tells that there is another.
func TestLargestPage(t *testing.T) {
	f := Filter{Limit: mostLimit}
	want(t, "limit", new(query).limit(f.limit()+1), fmt.Sprint(" LIMIT ", mostLimit+1))
	want(t, "no more", new(query).limit(mostLimit+2), fmt.Sprint(" LIMIT ", mostLimit))
}

func idsOf(all []Incident) []string {
	var ids []string
	for _, in := range all {
		ids = append(ids, in.ID)
	}
	return ids
}

// paged reads a list page by page.
func paged(t *testing.T, s *Store, f Filter, limit int) []string {
	t.Helper()
	var ids []string
	f.Limit = limit
	for {
		page, err := s.Incidents(t.Context(), f)
		must(t, err)
		ids = append(ids, idsOf(page.Items)...)
		if f.Cursor = page.Next; f.Cursor == "" {
			return ids
		}
	}
}

func pagedDeaths(t *testing.T, s *Store, f Filter, limit int) int {
	t.Helper()
	n := 0
	f.Limit = limit
	for {
		page, err := s.Deaths(t.Context(), f)
		must(t, err)
		n += len(page.Items)
		if f.Cursor = page.Next; f.Cursor == "" {
			return n
		}
	}
}

func TestSearch(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		must(t, s.Record(t.Context(), death("web-0", 0, 1)))
		for text, found := range map[string]bool{
			"web-0": true, "WEB": true, "kill": true, "oom-kill": true, "limit memory": true, "limit disk": false, "mem": true, "em": false,
			"registry.example/shop/web:1.2": true, "n1": true, "OOMKilled": true, "Deployment": true, "deploy": true, "MEM001": true, "zebra": false,
			"...": false, "web OR zebra": false, `"web"`: true, "web*": true,
		} {
			want(t, text, len(incidents(t, s, Filter{Text: text})) == 1, found)
		}
		want(t, "workload", len(incidents(t, s, Filter{Workload: evidence.RefTo("Deployment", "shop", "web")})), 1)
		want(t, "workload elsewhere", len(incidents(t, s, Filter{Workload: evidence.RefTo("Deployment", "bank", "web")})), 0)
		want(t, "image", len(incidents(t, s, Filter{Image: "registry.example/shop/web:1.2"})), 1)
		want(t, "another image", len(incidents(t, s, Filter{Image: "registry.example/shop/web"})), 0)
	})
}
