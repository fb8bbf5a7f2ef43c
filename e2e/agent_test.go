// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/report"
)

// TestAgent makes the faults of which a node's agent knows more than the API server, with agents on the lab's nodes. The other
// tests make them again without.
func TestAgent(t *testing.T) {
	if !inLab() {
		t.Log("the cluster is not the lab: no agent is tried")
		return
	}
	if out, err := exec.CommandContext(t.Context(), lab, "agent", "up").CombinedOutput(); err != nil {
		t.Fatalf("lab agent up: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(lab, "agent", "down").CombinedOutput(); err != nil {
			t.Errorf("lab agent down: %v: %s", err, out)
		}
	})
	all := map[bool][]faults.Sight{}
	for _, s := range faults.Sights() {
		f, err := faults.Find(s.Fault)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Alone] = append(all[f.Alone], s)
	}
	t.Run("together", func(t *testing.T) {
		for _, s := range all[false] {
			t.Run(s.Fault, func(t *testing.T) { t.Parallel(); tryWithAgent(t, s) })
		}
	})
	for _, s := range all[true] {
		t.Run(s.Fault, func(t *testing.T) { tryWithAgent(t, s) })
	}
	t.Run("views", nodeViews)
}

func tryWithAgent(t *testing.T, s faults.Sight) {
	f, err := faults.Find(s.Fault)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := faults.NewCluster(config, "e2e-agent-"+f.Name)
	if err != nil {
		t.Fatal(err)
	}
	c.Lab = lab
	t.Cleanup(func() {
		if err := faults.Clear(context.Background(), c, f); err != nil {
			t.Error(err)
		}
	})
	if err := faults.Apply(t.Context(), c, f); err != nil {
		t.Fatal(err)
	}
	r := why(t, f.Ask, c.Namespace)
	keep(t, c, f)
	if len(r.Causes) == 0 {
		t.Fatalf("no cause; undetermined: %v; gaps: %v", r.Undetermined, r.Gaps)
	}
	first := r.Causes[0]
	t.Logf("%s %s: %s; gaps: %v", first.Rule, first.Confidence, first.Message, r.Gaps)
	if !slices.Contains(s.Want, first.Rule) || first.Confidence != "certain" {
		t.Errorf("the first cause is %s %s, expected %s certain", first.Rule, first.Confidence, strings.Join(s.Want, " or "))
	}
	if said := wordsOf(first); !regexp.MustCompile(s.Says).MatchString(said) {
		t.Errorf("nothing in it matches %q:\n%s", s.Says, said)
	}
}

// wordsOf returns what a cause and what follows from it say and cite.
func wordsOf(c report.Cause) string {
	words := c.Rule + " " + c.Message + "\n"
	for _, f := range c.Facts {
		words += f.Source + " " + f.Text + "\n"
	}
	for _, lead := range c.Leads {
		words += wordsOf(lead)
	}
	return words
}

// nodeViews looks at what inquest node shows: the agent's own container is among it.
func nodeViews(t *testing.T) {
	for view, want := range map[string]string{"containers": `"id"`, "attempts": "inquest-agent", "saturation": "pids"} {
		out, err := exec.CommandContext(t.Context(), inquest, "node", "n1", view, "-o", "json").Output()
		if err != nil || !json.Valid(out) || !strings.Contains(string(out), want) {
			t.Errorf("inquest node n1 %s: %v: %s", view, err, fmt.Sprintf("%.300s", out))
		}
	}
}
