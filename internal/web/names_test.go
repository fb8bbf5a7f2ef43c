// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// crowdedNode is an incident of two deaths in two namespaces by one node, each told of with names of both.
func crowdedNode() []history.Death {
	var all []history.Death
	for n, space := range []string{"shop", "bank"} {
		d := died(space, map[string]string{"shop": "web-0", "bank": "vault-0"}[space], n)
		d.Node, d.Image, d.Reason = "n1", "app:1", "Error"
		d.Verdict.Thing, d.Verdict.Report, d.Verdict.Bundle = evidence.RefTo("Node", "", "n1"), nil, nil // as of what was not captured
		d.Verdict.Message = "like pod/vault-0[app]#3: node n1 is busy by vault-0 and web-0"
		d.Verdict.Names = []evidence.Ref{evidence.RefTo("", "bank", "vault-0"), evidence.RefTo("", "shop", "web-0")}
		all = append(all, d)
	}
	return all
}

// TestNoForeignNames asks for everything that is served, and for all that leads from there: who may see one of the namespaces of an incident
// reads no name of another.
func TestNoForeignNames(t *testing.T) {
	access, a, _ := clusterAccess(t, nil)
	a.may["noder"] = []string{"shop", "nodes"}
	c := consoleWith(t, access, crowdedNode()...)
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Store.Incidents(t.Context(), history.Filter{})
	if err != nil || len(all.Items) != 1 {
		t.Fatalf("%d incidents, expected one: %v", len(all.Items), err)
	}
	paths := addresses(c, all.Items[0].ID)
	for who, sees := range map[string]bool{"sue": false, "noder": false, "admin": true} {
		title := map[bool]string{false: "node n1 is busy by (elsewhere) and web-0", true: "node n1 is busy by vault-0 and web-0"}[sees]
		titles := 0
		look := func(path, body string) {
			if strings.HasPrefix(body, "PK") {
				body = unzipped(t, body)
			}
			if !sees {
				checkForeign(t, who+" on "+path, body, "bank", "vault")
			}
			titles += strings.Count(body, title)
		}
		header := http.Header{"Authorization": {"Bearer :" + who}}
		for _, path := range paths {
			_, body, _ := getAs(t, h, header, path)
			look(path, body)
		}
		crawlAs(t, h, header, look)
		if titles < 10 {
			t.Errorf("%s reads the title %d times", who, titles)
		}
	}
	_, body, _ := getAs(t, h, http.Header{"Authorization": {"Bearer :sue"}}, "/search?format=json&q=vault-0")
	if !strings.Contains(body, `"items": []`) {
		t.Errorf("a name of another finds %s", body)
	}
}

// addresses are all that is served but the stream, with an incident, a death, a rule and a node in them, as pages and as JSON.
func addresses(c *Console, incident string) []string {
	names := strings.NewReplacer("/incidents/{id}", "/incidents/"+incident, "/deaths/{id}", "/deaths/1", "/rules/{id}", "/rules/EXT001", "{name}", "n1", "{$}", "")
	var all []string
	for pattern := range c.handlers() {
		path, is := strings.CutPrefix(names.Replace(pattern), "GET ")
		if is && path != "/live" && path != "/static/" {
			all = append(all, path, path+"?format=json", path+"?q=busy", path+"?q=busy&format=json")
		}
	}
	return all
}
