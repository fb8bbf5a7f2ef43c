// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func in(space, name string) evidence.Ref { return evidence.RefTo("", space, name) }

func TestHide(t *testing.T) {
	names := []evidence.Ref{in("bank", "vault-0"), in("bank", "web-0"), in("shop", "web-0"), in("treasury", "gold")}
	for _, tt := range []struct {
		text, want string
		names      []evidence.Ref
		allowed    []string
	}{
		{"web-0 lost its port to vault-0", "web-0 lost its port to (elsewhere)", names, []string{"shop"}},
		{"bank/web-0 and vault-0 for gold", "bank/web-0 and vault-0 for (elsewhere)", names, []string{"bank"}},
		{"bank/web-0 and shop/web-0", "(elsewhere) and shop/web-0", names, []string{"shop"}},
		{"vault-0", "vault-0", names, nil},
		{"vault-0", "(elsewhere)", names, []string{}},
		{"it ended", "it ended", nil, []string{"shop"}},
		{"it ended", unreadable, []evidence.Ref{{}}, []string{"shop"}},
		{"it ended", "it ended", []evidence.Ref{{}}, nil},
		{"", "", []evidence.Ref{{}}, []string{"shop"}},
	} {
		want(t, tt.text, Hide(tt.text, tt.names, tt.allowed), tt.want)
	}
}

// neighbours are two deaths by one node, of which the first is told of with the name of the second.
func neighbours(n, minutes int) (mine, theirs Death) {
	node := evidence.RefTo("Node", "", "n1")
	mine = death("web-0", n, minutes).of("NOD002", node, true).in("shop")
	mine.Verdict.Message, mine.Verdict.Names = "node n1 ran out of memory by secret-pod", []evidence.Ref{in("hidden", "secret-pod")}
	theirs = death("secret-pod", n, minutes).of("NOD002", node, true).in("hidden")
	theirs.Workload.Name, theirs.Verdict.Message = "secret", "node n1 ran out of memory by secret-pod"
	return mine, theirs
}

// TestNames: what was told of a death has no names of others for who may not see these, wherever it is read, also when the death is there
// no more, and neither does it find anything.
func TestNames(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		for i := range 3 {
			mine, theirs := neighbours(i, 60*24*i)
			must(t, s.Record(t.Context(), mine, theirs))
		}
		for _, age := range []time.Duration{0, 36 * time.Hour} { // the second takes the deaths that gave the titles
			if age > 0 {
				_, err := s.Retain(t.Context(), noon.Add(48*time.Hour), Retention{Age: age})
				must(t, err)
			}
			for _, allowed := range [][]string{nil, {"shop"}, {"shop", "hidden"}} {
				_, files, err := s.Export(t.Context(), incidents(t, s, Filter{Namespaces: allowed})[0].ID, Narrowing{Namespaces: allowed})
				must(t, err)
				var b bytes.Buffer
				must(t, json.NewEncoder(&b).Encode(deaths(t, s, Filter{Namespaces: allowed})))
				must(t, json.NewEncoder(&b).Encode(incidents(t, s, Filter{Namespaces: allowed})))
				seen := b.String() + string(files["incident.json"])
				found := len(incidents(t, s, Filter{Namespaces: allowed, Text: "secret-pod"})) + len(deaths(t, s, Filter{Namespaces: allowed, Text: "secret-pod"}))
				what := fmt.Sprintf("%s %v", age, allowed)
				want(t, what+" is named", strings.Contains(seen, "by secret-pod"), len(allowed) != 1)
				want(t, what+" is hidden", strings.Contains(seen, "by (elsewhere)"), len(allowed) == 1)
				want(t, what+" is found", found > 0, len(allowed) != 1)
			}
		}
	})
}

// TestNamed: who may see all reads what was told as it is, whichever namespaces he asks for.
func TestNamed(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		mine, theirs := neighbours(0, 0)
		must(t, s.Record(t.Context(), mine, theirs))
		for named, says := range map[bool]string{false: "by (elsewhere)", true: "by secret-pod"} {
			f := Filter{Namespaces: []string{"shop"}, Named: named}
			want(t, fmt.Sprintf("named %t: a death", named), strings.Contains(deaths(t, s, f)[0].Verdict.Message, says), true)
			want(t, fmt.Sprintf("named %t: an incident", named), strings.Contains(incidents(t, s, f)[0].Title, says), true)
			f.Text = "secret-pod"
			want(t, fmt.Sprintf("named %t: deaths found", named), len(deaths(t, s, f)) > 0, named)
		}
	})
}

// TestTelling: of a title of which it is not known whom it names nothing is found.
func TestTelling(t *testing.T) {
	for names, found := range map[string]string{"": "killed by secret-pod", "hidden/secret-pod": "killed by", "/": ""} {
		sh := share{namespace: "shop", title: "killed by secret-pod"}
		must(t, (*namesColumn)(&sh.names).Scan(names))
		want(t, names, sh.telling(), found)
	}
}

// TestSameWords: words that name one in some deaths, and another one in others, are told apart.
func TestSameWords(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		mine, theirs := neighbours(0, 0)
		theirs.Verdict.Names = []evidence.Ref{in("shop", "secret-pod")}
		must(t, s.Record(t.Context(), mine, theirs))
		for _, d := range deaths(t, s, Filter{}) {
			v, other := d.Verdict, map[string]string{"shop": "hidden", "hidden": "shop"}[d.Of.Namespace]
			want(t, d.Of.Namespace, len(v.Names) == 1 && v.Names[0] == in(other, "secret-pod"), true)
		}
	})
}

// TestNamesBefore: what was told before names were noted is read by nobody who may not see all.
func TestNamesBefore(t *testing.T) {
	for name, backend := range backends() {
		if name == "memory" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			url := backend(t)
			s := open(t, url, Options{})
			mine, theirs := neighbours(0, 0)
			must(t, s.Record(t.Context(), mine, theirs))
			must(t, s.Close())
			must(t, Migrate(t.Context(), url, 6))
			s = open(t, url, Options{})
			for _, allowed := range [][]string{nil, {"shop"}} {
				text := map[bool]string{true: mine.Verdict.Message, false: unreadable}[allowed == nil]
				want(t, "title", incidents(t, s, Filter{Namespaces: allowed})[0].Title, text)
				want(t, "message", deaths(t, s, Filter{Namespaces: allowed})[0].Verdict.Message, text)
			}
			mine, _ = neighbours(1, 1)
			must(t, s.Record(t.Context(), mine))
			want(t, "what is told since", deaths(t, s, Filter{Namespaces: []string{"shop"}})[0].Verdict.Message, "node n1 ran out of memory by (elsewhere)")
		})
	}
}

func TestReplaceNames(t *testing.T) {
	hidden := map[string]bool{"bank/vault-0": true, "vault-0": true, "db.x": true}
	hide := func(name string) (string, bool) { return fmt.Sprintf("<%d>", len(name)), hidden[name] }
	for text, want := range map[string]string{
		"pod/vault-0[app]#3: bank/vault-0, bank/vault-01": "pod/<7>[app]#3: <12>, bank/vault-01",
		"vault-0.bank.svc and db.x. or db":                "<7>.bank.svc and <4>. or db",
		"bank/vault-0.x":                                  "<12>.x",
		"é/vault-0 /":                                     "é/<7> /",
		"":                                                "",
	} {
		if got := ReplaceNames(text, hide); got != want {
			t.Errorf("%q became %q, expected %q", text, got, want)
		}
	}
}
