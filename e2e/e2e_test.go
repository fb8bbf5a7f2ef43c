// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/report"
)

// together is how many faults are made at once. More would slow two cores down so much that healthy pods fail probes.
const together = "12"

// inquest and lab are the programs under test and of the lab; lab is empty where there is none.
var inquest, lab string

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", together); err != nil {
		panic(err) // cannot happen: the flag is the testing package's
	}
	scratch, err := os.MkdirTemp("", "inquest-e2e-")
	if err == nil {
		err = programs(scratch)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	status := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
	os.Exit(status)
}

// programs finds or builds what the tests run.
func programs(scratch string) error {
	if os.Getenv("KUBECONFIG") == "" {
		return fmt.Errorf("KUBECONFIG is not set: give a cluster that may suffer, or use make e2e")
	}
	for _, p := range []struct {
		path          *string
		variable, dir string
		pkg           string
	}{
		{&inquest, "INQUEST_BIN", "..", "./cmd/inquest"},
		{&lab, "INQUEST_LAB", "../lab", "."},
	} {
		if *p.path = os.Getenv(p.variable); *p.path != "" {
			continue
		}
		*p.path = filepath.Join(scratch, strings.ToLower(p.variable))
		build := exec.Command("go", "build", "-o", *p.path, p.pkg)
		build.Dir = p.dir
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s in %s: %w: %s", p.pkg, p.dir, err, out)
		}
	}
	return nil
}

// patience parts the faults that must grow old, which wait beside all others, from the rest.
const patience = 10 * time.Minute

func TestPatient(t *testing.T) {
	t.Parallel()
	for _, f := range faults.All() {
		if f.Within > patience {
			t.Run(f.Name, func(t *testing.T) { t.Parallel(); try(t, f) })
		}
	}
}

// TestFaults makes the faults that disturb nobody at the same time, and the others one after the other; then, with agents
// on the nodes, those of which agents know more.
func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("together", func(t *testing.T) {
		for _, f := range faults.All() {
			if !f.Alone && f.Within <= patience {
				t.Run(f.Name, func(t *testing.T) { t.Parallel(); try(t, f) })
			}
		}
	})
	t.Run("alone", func(t *testing.T) {
		for _, f := range faults.All() {
			if f.Alone {
				t.Run(f.Name, func(t *testing.T) { try(t, f) })
			}
		}
	})
	if inLab() {
		t.Run("agent", withAgents)
		t.Run("requests", checkRequests)
	}
}

// try makes a fault, asks about it, and takes it back.
func try(t *testing.T, f faults.Fault) {
	c := establish(t, f, "e2e-"+f.Name)
	r := examine(t, c, f)
	keep(t, c, f)
	if f.Benign() {
		silent(t, r)
		return
	}
	found(t, r, f)
}

// connect reaches the cluster.
func connect(t *testing.T, namespace string) faults.Cluster {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := faults.NewCluster(config, namespace)
	if err != nil {
		t.Fatal(err)
	}
	c.Lab = lab
	return c
}

// establish makes a fault in a namespace of its own, and takes it back at the end.
func establish(t *testing.T, f faults.Fault, namespace string) faults.Cluster {
	c := connect(t, namespace)
	t.Cleanup(func() {
		if err := faults.Clear(context.Background(), c, f); err != nil {
			t.Error(err)
		}
	})
	if err := faults.Apply(t.Context(), c, f); err != nil {
		t.Fatal(err)
	}
	return c
}

// keep saves the evidence as a bundle where INQUEST_RECORD names a folder: for bench/accuracy, and for a look at what went
// wrong.
func keep(t *testing.T, c faults.Cluster, f faults.Fault) {
	folder := os.Getenv("INQUEST_RECORD")
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, f.Name+".txtar")
	cmd := exec.CommandContext(t.Context(), inquest, "collect", f.Ask, "-n", c.Namespace, "-o", file, "--kubeconfig", credentials(t, f.Ask))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("inquest collect %s: %v: %s", f.Ask, err, out)
	}
}

// attempts is how often a question is asked before a fact counts as made up: a crash loop goes on while it is asked
// about, so a status may have changed before and after.
const attempts = 5

// examine asks the program, and the cluster itself for all that the program cites.
func examine(t *testing.T, c faults.Cluster, f faults.Fault) report.Report {
	var missing []string
	var r report.Report
	for range attempts {
		before, err := look(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		r = why(t, f.Ask, c.Namespace)
		after, err := look(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if missing = unseen(r, before, after); len(missing) == 0 && !lostLog(r) {
			return r
		}
	}
	if len(missing) > 0 {
		t.Fatalf("facts that the cluster does not tell:\n%s", strings.Join(missing, "\n"))
	}
	return r
}

// lostLog tells whether the log of a run was gone when it was asked for: in a crash loop the next question may find it.
func lostLog(r report.Report) bool {
	return slices.ContainsFunc(r.Gaps, func(g report.Gap) bool { return g.Kind == "logs" })
}

// why runs the program as a person would.
func why(t *testing.T, ask, namespace string) report.Report {
	cmd := exec.CommandContext(t.Context(), inquest, "why", ask, "-n", namespace, "-o", "json", "--kubeconfig", credentials(t, ask))
	var out, notes bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &notes
	if err := cmd.Run(); err != nil {
		t.Fatalf("inquest why %s: %v: %s", ask, err, notes.String())
	}
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("inquest why %s: %v in %.200s", ask, err, out.String())
	}
	return r
}

func silent(t *testing.T, r report.Report) {
	for _, c := range r.Causes {
		t.Errorf("nothing is wrong, but %s says with confidence %s: %s", c.Rule, c.Confidence, c.Message)
	}
	for _, u := range r.Undetermined {
		t.Errorf("nothing is wrong, but it says: %s", u.Message)
	}
}

// found checks the first cause. Only where the API cannot prove who did it may there be none, if what would settle it
// is named.
func found(t *testing.T, r report.Report, f faults.Fault) {
	if len(r.Causes) == 0 {
		if f.Least == "possible" && len(r.Undetermined) > 0 && len(r.Undetermined[0].SettledBy) > 0 {
			return
		}
		t.Fatalf("no cause, expected %s; undetermined: %v", f.Want, r.Undetermined)
	}
	first := r.Causes[0]
	t.Logf("%s %s: %s; gaps: %v", first.Rule, first.Confidence, first.Message, r.Gaps)
	if !slices.Contains(f.Want, first.Rule) {
		t.Errorf("the first cause is %s, expected %s", first.Rule, strings.Join(f.Want, " or "))
	}
	second := func(c report.Cause) bool { return c.Rule != first.Rule && slices.Contains(f.And, c.Rule) }
	if len(f.And) > 0 && !slices.ContainsFunc(r.Causes[:min(3, len(r.Causes))], second) {
		t.Errorf("there is a second cause, %s, and it is not among the first three", strings.Join(f.And, " or "))
	}
	if sure[first.Confidence] < sure[f.Least] {
		t.Errorf("the confidence of %s is %s, expected %s at least", first.Rule, first.Confidence, f.Least)
	}
	if sure[first.Confidence] > sure[f.Most] {
		t.Errorf("the confidence of %s is %s, and nobody can know: expected %s at most", first.Rule, first.Confidence, f.Most)
	}
}

// sure orders the confidences. Where a fault asks for none, only certain will do.
var sure = map[string]int{"possible": 1, "likely": 2, "certain": 3, "": 3}
