// SPDX-License-Identifier: Apache-2.0

// Command mutants measures how well the tests guard what rules tell causes apart by: it takes one condition after the
// other out of the rules and runs the tests. A mutant that no test notices has survived, and is printed.
//
// A condition that is an operand of && is made true, one of || false, and the whole condition of an if or a case both.
// All mutants of a family are compiled into one test program, which is told by its environment which of them to be.
//
//	mutants [-every n] [FAMILY ...]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const rules = "internal/rules"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	every := flag.Int("every", 1, "try only every n-th mutant")
	flag.Parse()
	if err := run(ctx, max(*every, 1), flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, every int, families []string) (err error) {
	if len(families) == 0 {
		tests, err := filepath.Glob(rules + "/*/*_test.go")
		if err != nil {
			return err
		}
		for _, test := range tests {
			if family := filepath.Base(filepath.Dir(test)); family != "gen" {
				families = append(families, family)
			}
		}
		slices.Sort(families)
		families = slices.Compact(families)
	}
	scratch, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	tried, killed := 0, 0
	for _, family := range families {
		t, k, err := tryFamily(ctx, scratch, family, every)
		if err != nil {
			return fmt.Errorf("%s: %w", family, err)
		}
		fmt.Printf("%-12s %d of %d killed\n", family, k, t)
		tried, killed = tried+t, killed+k
	}
	fmt.Printf("killed %.1f %% of %d mutants\n", 100*float64(killed)/float64(max(tried, 1)), tried)
	return nil
}

// tryFamily runs the family's own tests against each of its mutants, and against those that survive them the tests of
// all rules together.
func tryFamily(ctx context.Context, scratch, family string, every int) (tried, killed int, err error) {
	all, overlay, err := mutate(filepath.Join(scratch, family), filepath.Join(rules, family))
	if err != nil {
		return 0, 0, err
	}
	programs := []program{
		{folder: rules + "/" + family, tests: "."},
		{folder: rules, tests: "TestLookalikes|TestHowItFailed|TestStartErrors|TestHealthyWorld"},
		{folder: "internal/diagnosis", tests: "TestScenarios"},
		{folder: "bench/accuracy", tests: "TestAccuracy"},
	}
	for i := range programs {
		p := &programs[i]
		p.binary = filepath.Join(scratch, family, strings.ReplaceAll(p.folder, "/", "-")+".test")
		build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", p.binary, "./"+p.folder)
		if out, err := build.CombinedOutput(); err != nil {
			return 0, 0, fmt.Errorf("build the tests of %s: %w: %s", p.folder, err, out)
		}
		began := time.Now()
		p.patience = longest
		if err := p.observe(ctx); err != nil {
			return 0, 0, err
		}
		p.patience = max(slower*time.Since(began), 2*time.Minute)
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for i := 0; i < len(all) && ctx.Err() == nil; i += every {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			dead := slices.ContainsFunc(programs, func(p program) bool { return p.notices(ctx, all[i].id) })
			mu.Lock()
			defer mu.Unlock()
			if tried++; dead {
				killed++
			} else {
				fmt.Println("survived:", all[i])
			}
		})
	}
	group.Wait()
	return tried, killed, ctx.Err()
}

// A program is a compiled test: the folder that it runs in, which of its tests count, and how long it may run before a
// mutant counts as noticed: it has made something endless.
type program struct {
	folder, tests, binary string
	patience              time.Duration
	differs               map[int]bool // the mutants that can make a difference to it
}

const (
	longest = 20 * time.Minute // that a test may run without a mutant
	slower  = 20               // times that, with one: many run at the same time
)

// observe runs the tests without a mutant and learns which mutants can make a difference to them.
func (p *program) observe(ctx context.Context) error {
	list := p.binary + ".noted"
	if p.fails(ctx, noted+"="+list) {
		return fmt.Errorf("the tests of %s fail without a mutant", p.folder)
	}
	p.differs = map[int]bool{}
	data, err := os.ReadFile(list)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for word := range strings.FieldsSeq(string(data)) {
		if id, err := strconv.Atoi(word); err == nil {
			p.differs[id] = true
		}
	}
	return nil
}

// notices tells whether the tests fail with a mutant.
func (p *program) notices(ctx context.Context, id int) bool {
	return p.differs[id] && p.fails(ctx, fmt.Sprintf("%s=%d", variable, id))
}

// fails runs the tests with one more environment variable.
func (p *program) fails(ctx context.Context, variable string) bool {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	test := exec.CommandContext(ctx, p.binary, "-test.failfast", "-test.run", p.tests)
	test.Dir = p.folder
	test.Env = append(os.Environ(), variable)
	return test.Run() != nil
}

// writeOverlay tells the go command which files stand for which.
func writeOverlay(folder string, replace map[string]string) (string, error) {
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(folder, "overlay.json")
	return name, os.WriteFile(name, data, 0o600)
}
