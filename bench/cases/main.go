// SPDX-License-Identifier: Apache-2.0

// Command cases counts right and wrong answers over a folder of cases: recorded evidence, each with the cause that its
// source states. A case is a folder with a case.yaml and its evidence in input:
//
//	id: some/case
//	kind: recorded            # or kernel-log, logs; others need a cluster and are left out
//	target: {kind: Pod, namespace: shop, name: web-0}
//	category: oom-container   # what is right, in the words of the table in categories.go; none: nothing is wrong
//	accept: [oom-node]        # what is right too
//
// Each is asked about as a person would: inquest why TARGET --from input -o json; about everything where the target is
// not among the evidence.
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
	dir      string
}

// healthy is the category of a case with nothing wrong.
const healthy = "none"

// answered are the kinds of cases that need no cluster.
var answered = []string{"recorded", "kernel-log", "logs"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	program := flag.String("inquest", "bin/inquest", "the program under test")
	verbose := flag.Bool("v", false, "print what was said of every case, not only of the misses")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "cases: name the folder of the cases")
		os.Exit(2)
	}
	if err := run(ctx, os.Stdout, *program, flag.Arg(0), *verbose); err != nil {
		fmt.Fprintf(os.Stderr, "cases: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, program, folder string, verbose bool) error {
	list, err := load(folder)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("there is no case in %s that needs no cluster", folder)
	}
	var t tally
	for _, c := range list {
		r, err := c.ask(ctx, program)
		if err != nil {
			r = report.Report{}
			fmt.Fprintf(w, "      %s: %v\n", c.ID, err)
		}
		t.count(w, c, r, verbose)
	}
	t.print(w)
	return nil
}

// load reads the cases below a folder that need no cluster.
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
		if slices.Contains(answered, c.Kind) {
			list = append(list, c)
		}
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
