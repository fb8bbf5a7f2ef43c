// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// storm is the deaths of so many pods in two namespaces by one node, and of one that another cause has.
func storm(pods int) []Death {
	node := evidence.RefTo("Node", "", "n1")
	all := []Death{death("other-0", 0, 1)}
	for i := range pods {
		d := death(fmt.Sprintf("app%d-7c9f-%05d", i%3, i), 0, 1).of("NOD001", node, true)
		if i%10 == 9 {
			d = d.in("bank")
		}
		all = append(all, d)
	}
	return all
}

// TestEveryPodIsFound: each pod of an incident that has many finds it, by its name and the beginning of that, together with other words, on
// any page, for whoever may see the pod and for nobody else.
func TestEveryPodIsFound(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		s.eraBits = 1
		all := storm(52)
		for _, d := range all {
			must(t, s.Record(t.Context(), d))
		}
		for _, d := range all[1:] {
			name := d.Of.Name
			for text, want := range map[string]int{name: 1, strings.ToUpper(name): 1, name[:len(name)-1]: 1, name + " n1": 1, "nod001 " + name: 1, name + " other-0": 0, name + " zebra": 0, name + "x": 0} {
				if got := found(t, s, Filter{Text: text, Limit: 1})["NOD001 n1"]; got != want {
					t.Errorf("%q finds the incident %d times, want %d", text, got, want)
				}
			}
			for _, namespace := range []string{"shop", "bank"} {
				if got := len(incidents(t, s, Filter{Text: name, Namespaces: []string{namespace}})); got == 1 != (namespace == d.Of.Namespace) {
					t.Errorf("%s of %s is found %d times by who may see %s", name, d.Of.Namespace, got, namespace)
				}
			}
		}
		two := all[32].Of.Name + " " + all[51].Of.Name
		want(t, "two pods at once", found(t, s, Filter{Text: two})["NOD001 n1"], 1)
		want(t, "a pod, a rule and a node", len(incidents(t, s, Filter{Text: all[51].Of.Name, Rule: "NOD001", Node: "n1"})), 1)
		want(t, "a pod and another node", len(incidents(t, s, Filter{Text: all[51].Of.Name, Node: "n2"})), 0)
		want(t, "a pod, before it died", len(incidents(t, s, Filter{Text: all[51].Of.Name, To: noon})), 0)
		must(t, s.Sweep(t.Context(), noon.Add(999*time.Hour)))
		_, err := s.Retain(t.Context(), noon.Add(1000*time.Hour), Retention{Age: time.Hour})
		must(t, err)
		var left int
		must(t, s.reads.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM crowds`).Scan(&left))
		want(t, "names of what is gone", left, 0)
	})
}

// TestAnyWordMayBeAPod: a word that is the name of a pod in one incident is looked for in all others as before, and what lies in namespaces
// that the asker may not see changes nothing for him.
func TestAnyWordMayBeAPod(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		record := func(format, namespace, node string) {
			t.Helper()
			for i := range 30 {
				must(t, s.Record(t.Context(), death(fmt.Sprintf(format, i), 0, 1).of("NOD001", evidence.RefTo("Node", "", node), true).in(namespace)))
			}
		}
		record("web-%05d", "shop", "n1")
		questions := map[string]int{"web-00029 shop": 1, "shop web-00029": 1, "web-00029 web-00002": 1, "web-00029 shop-00001": 0, "web": 1}
		ask := func(when string) {
			t.Helper()
			for text, n := range questions {
				want(t, text+" "+when, len(incidents(t, s, Filter{Text: text, Namespaces: []string{"shop"}})), n)
			}
		}
		ask("alone")
		record("shop-%05d", "bank", "n2")
		record("web-%05d", "bank", "n3")
		ask("beside others")
		must(t, s.Record(t.Context(), death("other-0", 0, 1).of("CFG001", evidence.RefTo("ConfigMap", "shop", "web-00029"), true)))
		want(t, "by its thing, or by its pod", len(incidents(t, s, Filter{Text: "web-00029"})), 3)
		want(t, "the beginning of pods, and a namespace", len(incidents(t, s, Filter{Text: "bank web-000"})), 1)
	})
}

// TestOwnPodsAlone: who may see some namespaces has the names of pods in these read, and of no others.
func TestOwnPodsAlone(t *testing.T) {
	s := open(t, "memory:", Options{})
	for plan, spaces := range map[string][]string{"crowds_by_namespace (namespace=? AND name>? AND name<?)": {"shop", "bank"}, "PRIMARY KEY (name>? AND name<?)": nil} {
		q, text := (&Filter{Namespaces: spaces}).withPod(word{any: []string{"web-0"}, prefix: true, text: true})
		var steps []string
		must(t, s.query(t.Context(), s.reads, func(scan func(...any) error) error {
			var id, parent, unused int64
			var step string
			err := scan(&id, &parent, &unused, &step)
			steps = append(steps, step)
			return err
		}, "EXPLAIN QUERY PLAN "+text, q.args...))
		if !strings.Contains(strings.Join(steps, "\n"), plan) {
			t.Errorf("for %v it reads %q, expected %s", spaces, steps, plan)
		}
	}
}

// TestMovedPods: pods whose deaths have another cause by now are found by that one alone.
func TestMovedPods(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		record := func(i int, rule, node string, settled bool) {
			t.Helper()
			must(t, s.Record(t.Context(), death(fmt.Sprintf("web-%05d", i), 0, 1).of(rule, evidence.RefTo("Node", "", node), settled)))
		}
		for i := range 40 {
			record(i, "NOD001", "n1", false)
		}
		for i := range 30 {
			record(i, "NOD002", "n2", true)
			for pod, cause := range map[int]string{i: "NOD002 n2", 39: "NOD001 n1"} {
				all := found(t, s, Filter{Text: fmt.Sprintf("web-%05d", pod)})
				if len(all) != 1 || all[cause] != 1 {
					t.Fatalf("pod %d is found in %v after %d moved, want %s", pod, all, i+1, cause)
				}
			}
		}
	})
}

// TestCrowdsAreMigrated: the pods of an incident that an earlier program wrote are found.
func TestCrowdsAreMigrated(t *testing.T) {
	for name, backend := range backends() {
		if name == "memory" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			url, all := backend(t), storm(40)
			s := open(t, url, Options{})
			must(t, s.Record(t.Context(), all...))
			must(t, s.Close())
			must(t, Migrate(t.Context(), url, 5))
			s = open(t, url, Options{})
			for _, d := range all[1:] {
				want(t, d.Of.Name, len(incidents(t, s, Filter{Text: d.Of.Name})), 1)
			}
		})
	}
}

// TestEvidenceIsFound: what a report quotes of Events and logs finds an incident, for and against it, however many names it has.
func TestEvidenceIsFound(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		type fact struct{ Source, Text string }
		var facts []fact
		for i := range 150 {
			facts = append(facts, fact{"log", fmt.Sprintf("line%d of the log", i)})
		}
		facts = append(facts, fact{"event", "Event FailedMount: MountVolume.SetUp failed for volume ledger"})
		report, err := json.Marshal(map[string]any{"causes": []any{map[string]any{"message": "m", "facts": facts, "against": []fact{{"log", "served a request from zanzibar"}}}}})
		must(t, err)
		node := evidence.RefTo("Node", "", "n1")
		for i := range 30 {
			d := death(fmt.Sprintf("a%d-b%d-c%d", i, i, i), 0, i).of("NOD001", node, true)
			d.Node, d.Image, d.Verdict.Report = fmt.Sprintf("n-%d-x%d", i, i), fmt.Sprintf("registry/i%d:v%d", i, i), report
			must(t, s.Record(t.Context(), d))
		}
		for text, found := range map[string]int{"line0": 1, "line149": 1, "failedmount ledger": 1, "MountVolume.SetUp failed": 1, "zanzibar": 1, "a29-b29-c29 ledger": 1, "line150": 0} {
			want(t, text, len(incidents(t, s, Filter{Text: text})), found)
		}
	})
}
