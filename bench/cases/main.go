// SPDX-License-Identifier: Apache-2.0

// Command cases counts right and wrong answers over a folder of cases: recorded evidence or manifests, each with the cause
// that its source states. A case is a folder with a case.yaml and its evidence in input:
//
//	id: some/case
//	kind: recorded            # or kernel-log, logs; manifests needs a cluster
//	target: {kind: Pod, namespace: shop, name: web-0}
//	category: oom-container   # what is right, in the words of the table in categories.go; none: nothing is wrong
//	accept: [oom-node]        # what is right too
//
// Each is asked about as a person would: inquest why TARGET --from input -o json; about everything where the target is
// not among the evidence.
//
// A case of manifests also has inputs, in the order in which they are applied, and containers, with what a stand-in for an
// image must do. These are made to happen where the kubeconfig leads to the lab, each in namespaces of its own, with the
// lab's image in the place of others (standin.go), and are asked about there: inquest why TARGET.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/report"
)

// A testCase is what case.yaml says.
type testCase struct {
	ID       string       `json:"id"`
	Kind     string       `json:"kind"`
	Target   report.Thing `json:"target"`
	Expected string       `json:"expected"`
	Category string       `json:"category"`
	Accept   []string     `json:"accept"`
	// Of a case of manifests:
	Inputs []struct {
		File string `json:"file"`
		Role string `json:"role"` // challenge: commands that break what is well; else manifests
	} `json:"inputs"`
	Containers []struct {
		Workload  string `json:"workload"` // kind/name
		Container string `json:"container"`
		StandIn   string `json:"stand_in"` // empty: the image may be one that there is not
	} `json:"containers"`
	dir string
}

// healthy is the category of a case with nothing wrong.
const healthy = "none"

// recorded are the kinds of cases that need no cluster.
var recorded = []string{"recorded", "kernel-log", "logs"}

// options are the command line.
type options struct {
	program, kubectl string
	cluster, verbose bool
	keep             bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.program, "inquest", "bin/inquest", "the program under test")
	flag.StringVar(&o.kubectl, "kubectl", kubectl(), "the program that makes cases of manifests happen")
	flag.BoolVar(&o.cluster, "cluster", false, "fail where there is no lab for the cases of manifests, instead of leaving them out")
	flag.BoolVar(&o.keep, "keep", false, "leave what was made in the lab, to look at; the next run removes it")
	flag.BoolVar(&o.verbose, "v", false, "print what was said of every case, not only of the misses")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "cases: name the folder of the cases")
		os.Exit(2)
	}
	if err := run(ctx, os.Stdout, o, flag.Arg(0)); err != nil {
		fmt.Fprintf(os.Stderr, "cases: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, o options, folder string) error {
	list, err := load(folder)
	if err != nil {
		return err
	}
	var answers []answered
	var manifests []testCase
	for _, c := range list {
		switch {
		case c.Kind == "manifests":
			manifests = append(manifests, c)
		case slices.Contains(recorded, c.Kind):
			a := answered{testCase: c}
			a.report, a.err = c.ask(ctx, o.program)
			answers = append(answers, a)
		}
	}
	if len(manifests) > 0 {
		more, err := happen(ctx, w, o, manifests)
		if err != nil {
			return err
		}
		answers = append(answers, more...)
	}
	if len(answers) == 0 {
		return fmt.Errorf("there is no case in %s that can be asked about", folder)
	}
	var t tally
	for _, a := range answers {
		if a.err != nil {
			a.report = report.Report{}
			fmt.Fprintf(w, "      %s: %v\n", a.ID, a.err)
		}
		t.count(w, a.testCase, a.report, o.verbose)
	}
	t.print(w)
	return nil
}

// kubectl is the program of that name, or else the lab's own, which is beside its state.
func kubectl() string {
	const name = "kubectl"
	own := filepath.Join(filepath.Dir(os.Getenv("KUBECONFIG")), "..", "cache", "bin", name)
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	if _, err := os.Stat(own); err == nil {
		return own
	}
	return name
}

// happen asks about cases of manifests where the kubeconfig leads to the lab.
func happen(ctx context.Context, w io.Writer, o options, list []testCase) ([]answered, error) {
	if !o.cluster && os.Getenv("KUBECONFIG") == "" {
		fmt.Fprintf(w, "%d cases of manifests are left out: KUBECONFIG names no lab\n", len(list))
		return nil, nil
	}
	cl, err := newCluster(ctx, o.kubectl)
	if err != nil && !o.cluster {
		fmt.Fprintf(w, "%d cases of manifests are left out: %v\n", len(list), err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return cl.run(ctx, w, o, list)
}

// load reads the cases below a folder.
func load(folder string) ([]testCase, error) {
	var list []testCase
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "case.yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a case: %w", err)
		}
		c := testCase{dir: filepath.Dir(path)}
		if err := yaml.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		list = append(list, c)
		return nil
	})
	return list, err
}

// ask runs the program, on the target if it is known and among the evidence, else on everything.
func (c *testCase) ask(ctx context.Context, program string) (report.Report, error) {
	from := []string{"--from", filepath.Join(c.dir, "input"), "-o", "json"}
	var r report.Report
	if c.Target.Kind != "" && c.Target.Name != "" {
		args := []string{"why", c.Target.Kind + "/" + c.Target.Name}
		if c.Target.Namespace != "" && c.Target.Kind != "Node" {
			args = append(args, "-n", c.Target.Namespace)
		}
		if err := answer(ctx, program, append(args, from...), &r); err == nil {
			return r, nil
		}
	}
	err := answer(ctx, program, append([]string{"why"}, from...), &r)
	return r, err
}

func answer(ctx context.Context, program string, args []string, r *report.Report) error {
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
		return errors.New(lines[len(lines)-1])
	}
	if err != nil {
		return err
	}
	*r = report.Report{}
	return yaml.Unmarshal(out, r)
}
