// SPDX-License-Identifier: Apache-2.0

package web

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

func TestVeil(t *testing.T) {
	may := Rights{Namespaces: []string{"shop"}, Foreign: []string{"bank", "web"}}
	v := may.veilOf(map[string][]byte{
		"objects/bank/pod/vault-0.yaml":            []byte("metadata: {namespace: bank, name: vault-0}\n"),
		"objects/shop/pod/web-0.yaml":              []byte("metadata: {namespace: shop, name: web-0}\n"),
		"objects/bank/pod/web-0.yaml":              []byte("metadata: {namespace: bank, name: web-0}\n"),
		"objects/_cluster/persistentvolume/x.yaml": []byte("spec: {claimRef: {namespace: bank, name: ledger.db}}\n"),
		"nodes/n1/facts.jsonl":                     []byte(`{"about":{"kind":"Pod","namespace":"bank","name":"teller-1"},"text":"x"}` + "\n"),
		"logs/bank/clerk-2/app/0.log":              []byte("x"),
		"events/bank.yaml":                         []byte("items: [{involvedObject: {namespace: bank, name: guard-3}}]\n"),
		"events/_cluster.yaml":                     []byte("items: [{message: \"preempted bank/miner-7, bank/clerk and shop/mine-1.\"}]\n"),
	})
	for text, want := range map[string]string{
		"pod vault-0 used it":                                "pod (elsewhere) used it",
		"bank/vault-0, bank/other.x":                         "(elsewhere), (elsewhere)",
		"vault-0-x and xvault-0 and web-0":                   "vault-0-x and xvault-0 and web-0",
		"clerk-2 teller-1 guard-3 ledger.db.":                "(elsewhere) (elsewhere) (elsewhere) (elsewhere).",
		"node n1 killed miner-7, the clerk and mine-1":       "node n1 killed (elsewhere), the clerk and mine-1",
		"container web was killed":                           "container web was killed",
		"pod web/p has it; namespace web; namespace \"web\"": "pod (elsewhere) has it; namespace (elsewhere); namespace \"(elsewhere)\"",
		"kubectl -n web get pods; db.web.svc":                "kubectl -n (elsewhere) get pods; db.(elsewhere).svc",
		"/bank/":                                             "/(elsewhere)/",
		"":                                                   "",
	} {
		if got := v.hide(text); got != want {
			t.Errorf("%q is shown as %q, expected %q", text, got, want)
		}
	}
	if got := (Rights{All: true}).veilOf(nil).hide("bank/x"); got != "bank/x" {
		t.Errorf("whoever sees all is shown %q", got)
	}
}

// neighbours is a death in a namespace by a cause of its own, whose evidence and report tell of another one.
func neighbours() history.Death {
	d := died("shop", "web-0", 7)
	of := report.Thing{Kind: "Pod", Namespace: "shop", Name: "web-0"}
	foreign := report.Thing{Kind: "Pod", Namespace: "bank", Name: "vault-0"}
	fact := func(about report.Thing) report.Fact {
		return report.Fact{Source: "status", Text: "beside pod bank/vault-0", About: about}
	}
	told := report.Report{
		Causes: []report.Cause{
			{Rule: "EXT001", About: of, Message: "web-0 lost its port to vault-0", Facts: []report.Fact{fact(of), fact(foreign)}, Fixes: []report.Fix{{Title: "Move vault-0", Patch: &report.Patch{Target: foreign}}}},
			{Rule: "EXT001", About: foreign, Message: "vault-0 ended", Leads: []report.Cause{{Rule: "EXT001", About: of, Message: "so web-0 did", Facts: []report.Fact{fact(of)}}}},
		},
		Undetermined: []report.Undetermined{{About: foreign, Message: "vault-0"}},
		Gaps:         []report.Gap{{About: foreign, Why: "vault-0"}, {About: of, Why: "see namespace bank"}},
		Skipped:      []report.Skip{{About: foreign, Why: "vault-0"}},
		Measured:     []report.Fact{fact(foreign)},
	}
	d.Verdict.Message = "web-0 lost its port to bank/vault-0"
	d.Verdict.Report, _ = json.Marshal(told) // cannot fail
	d.Verdict.Bundle = map[string][]byte{
		"meta.yaml":                                []byte("gaps: [{about: {kind: Pod, namespace: bank, name: vault-0}, why: gone}]\n"),
		"objects/shop/pod/web-0.yaml":              []byte("metadata: {namespace: shop, name: web-0}\n"),
		"objects/bank/pod/vault-0.yaml":            []byte("metadata: {namespace: bank, name: vault-0}\n"),
		"objects/_cluster/namespace/bank.yaml":     []byte("metadata: {name: bank}\n"),
		"objects/_cluster/persistentvolume/a.yaml": []byte("spec: {claimRef: {namespace: bank, name: vault-0}}\n"),
		"events/shop.2.yaml":                       []byte("items: []\n"),
		"events/bank.yaml":                         []byte("items: [{message: vault-0}]\n"),
		"events/_cluster.yaml":                     []byte("items: [{message: evicted vault-0}]\n"),
		"logs/bank/vault-0/app/0.log":              []byte("vault-0"),
		"logs/shop/web-0/web-0/7.log":              []byte("bye"),
		"nodes/n1/facts.jsonl":                     []byte(`{"about":{"kind":"Node","name":"n1"},"text":"killed vault-0"}` + "\n" + `{"about":{"kind":"Pod","namespace":"bank","name":"vault-0"}}` + "\n"),
		"nodes/n1/runs.jsonl":                      []byte(`{"run":{"of":{"namespace":"bank","name":"vault-0"}}}` + "\n"),
	}
	return d
}

// unzipped is what a bundle holds, names and all.
func unzipped(t *testing.T, data string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(f.Name + "\n")
		if _, err := io.Copy(&all, io.LimitReader(r, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestNeighbours: who may see one namespace reads of a report and its bundle what is about that one, and no name of the other.
func TestNeighbours(t *testing.T) {
	access, a, _ := clusterAccess(t, nil)
	a.may["noder"] = []string{"shop", "nodes"}
	h := consoleOf(t, access, neighbours(), died("bank", "vault-0", 1), died("bank", "zz", 2))
	for _, who := range []string{"sue", "noder"} {
		visited := 0
		crawlAs(t, h, http.Header{"Authorization": {"Bearer :" + who}}, func(path, body string) {
			if strings.HasSuffix(path, ".zip") {
				body = unzipped(t, body)
				if !strings.Contains(body, "bye") || !strings.Contains(body, "events/shop.2.yaml") || strings.Contains(body, "nodes/n1") != (who == "noder") {
					t.Errorf("%s: the bundle is %s", who, body)
				}
			}
			checkForeign(t, who+" on "+path, body, "bank", "vault")
			if strings.Contains(body, "so web-0 did") {
				visited++
			}
		})
		if visited == 0 {
			t.Errorf("%s does not see what his own is told", who)
		}
	}
	seen := ""
	crawlAs(t, h, http.Header{"Authorization": {"Bearer :admin"}}, func(_, body string) { seen += body })
	if !strings.Contains(seen, "vault-0 ended") {
		t.Error("who may see all does not")
	}
}

// TestQuietNeighbours: a namespace that there is nothing of is named by no page either, where a text about another one does.
func TestQuietNeighbours(t *testing.T) {
	access, _, now := clusterAccess(t, nil)
	access.o.Known = func(context.Context) ([]string, error) { return []string{"shop"}, nil }
	access.o.All = func(context.Context) ([]string, error) { return []string{"bank", "shop"}, nil }
	d := died("shop", "web-0", 1)
	d.Verdict.Message = "node n1 is busy, most by bank/vault-0 (3000m) and shop/web-0"
	h := consoleOf(t, access, d)
	seen := false
	crawlAs(t, h, http.Header{"Authorization": {"Bearer :sue"}}, func(path, body string) {
		if !strings.HasSuffix(path, ".zip") {
			checkForeign(t, path, body, "bank", "vault")
			seen = seen || strings.Contains(body, "most by (elsewhere) (3000m) and shop/web-0")
		}
	})
	if !seen {
		t.Error("no page has the text")
	}
	*now = now.Add(keepReviews)
	access.o.All = func(context.Context) ([]string, error) { return nil, errBroken }
	if _, err := access.Rights(t.Context(), bearer(t, ":sue")); !errors.Is(err, errBroken) {
		t.Errorf("where it is not known what there is, something is shown: %v", err)
	}
}

// checkForeign looks for words that are not for who reads a page.
func checkForeign(t *testing.T, where, body string, words ...string) {
	t.Helper()
	for _, foreign := range words {
		if at := strings.Index(body, foreign); at >= 0 {
			t.Errorf("%s reads: …%s…", where, body[max(0, at-80):min(len(body), at+80)])
		}
	}
}

// TestCover: texts in every shape that a page's value may have.
func TestCover(t *testing.T) {
	v := Rights{Foreign: []string{"bank"}}.veilOf(nil)
	type inner struct{ Text string }
	text := "bank/x"
	shown, ok := v.cover(struct {
		A     any
		B     []inner
		C     map[string]inner
		D     *string
		E     [1]string
		Plain int
	}{inner{text}, []inner{{text}}, map[string]inner{"k": {text}}, &text, [1]string{text}, 3}).(struct {
		A     any
		B     []inner
		C     map[string]inner
		D     *string
		E     [1]string
		Plain int
	})
	if !ok || slices.Contains([]string{shown.B[0].Text, shown.C["k"].Text, *shown.D, shown.E[0]}, "bank/x") || shown.A != any(inner{elsewhere}) || shown.Plain != 3 {
		t.Errorf("%+v", shown)
	}
	if v.cover(nil) != nil {
		t.Error("nothing became something")
	}
}
