// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const monitoring = "../deploy/monitoring/"

// TestDashboard has every query of the dashboard read by Prometheus' own parser, once with each of its variables.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(monitoring + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID        string
		Templating struct{ List []struct{ Name string } }
		Panels     []struct {
			Title, Description string
			Targets            []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$namespace", "shop|bank")
	queries := 0
	for _, p := range dashboard.Panels {
		if p.Title == "" || p.Description == "" {
			t.Errorf("a panel has no title or no description: %q", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			expr := variables.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: a variable that there is none of: %s", p.Title, expr)
			}
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
				t.Errorf("%s: %v", p.Title, err)
			}
		}
	}
	if queries < 20 || dashboard.UID == "" || len(dashboard.Templating.List) < 3 {
		t.Errorf("%d queries, %d variables, uid %q", queries, len(dashboard.Templating.List), dashboard.UID)
	}
}

// TestAlertRules has the alerts read as Prometheus does, templates included.
func TestAlertRules(t *testing.T) {
	data, err := os.ReadFile(monitoring + "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Spec any }
	if err := yaml.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, problems := rulefmt.Parse(spec, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range problems {
		t.Error(err)
	}
	page, err := os.ReadFile("../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			alerts++
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["runbook_url"] == "" {
				t.Errorf("%s has no severity, summary or runbook_url", r.Alert)
			}
			if !strings.Contains(string(page), "### "+r.Alert+"\n") {
				t.Errorf("docs/notifications.md says nothing of %s", r.Alert)
			}
		}
	}
	if alerts < 8 {
		t.Errorf("%d alerts", alerts)
	}
}
