// SPDX-License-Identifier: Apache-2.0

// Command scan measures inquest scan beside kube-score, over manifests that are made here with faults that are known. It
// prints
//
//	found   true restart risks that each finds, and how much that is not at fault it names as such a risk
//	lines   findings without a line of their file
//	speed   manifests a second of each, in turn (A-B-A-B), and the ratio of the medians
//	memory  the peak of inquest scan over 1,000, 10,000 and 20,000 manifests
//
// kube-score is github.com/zegl/kube-score v1.20.0, built by go install where it is not named.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const peer = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"

// options are the flags of the benchmark.
type options struct {
	inquest, score string
	manifests      int
	rounds         int
	seed           uint64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.inquest, "inquest", "bin/inquest", "the program under test")
	flag.StringVar(&o.score, "kube-score", "", "the program to compare with; built where it is not named")
	flag.IntVar(&o.manifests, "manifests", 500, "how many")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each is run")
	flag.Uint64Var(&o.seed, "seed", 1, "of the manifests")
	flag.Parse()
	if err := o.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "scan: %v\n", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "inquest-scan-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.score == "" {
		o.score = filepath.Join(dir, "bin", "kube-score")
		build := exec.CommandContext(ctx, "go", "install", peer)
		build.Env, build.Stderr = append(os.Environ(), "GOBIN="+filepath.Dir(o.score), "GOFLAGS="), os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build %s: %w", peer, err)
		}
	}
	set, w, err := o.set(dir, o.manifests)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(set, "*.yaml"))
	if err != nil {
		return err
	}
	ours := []string{o.inquest, "scan", set, "-o", "json"}
	theirs := append([]string{o.score, "score", "--kubernetes-version", "v1.30", "-o", "json"}, files...)
	if err := o.compare(ctx, w, ours, theirs); err != nil {
		return err
	}
	if err := o.speed(ctx, w.objects, ours, theirs); err != nil {
		return err
	}
	return o.memory(ctx, dir)
}

func (o options) set(dir string, manifests int) (string, *world, error) {
	w := &world{random: rand.New(rand.NewPCG(o.seed, uint64(manifests))), truth: map[risk]bool{}}
	set := filepath.Join(dir, fmt.Sprint(manifests))
	if err := os.Mkdir(set, 0o755); err != nil {
		return "", nil, err
	}
	return set, w, w.write(set, manifests)
}

// A cost is what one run took.
type cost struct {
	wall time.Duration
	peak int64 // KiB
}

// output runs a program, which may end with 1 as it has found something.
func output(ctx context.Context, command []string) ([]byte, cost, error) {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	start := time.Now()
	err := c.Run()
	took := time.Since(start)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, cost{}, fmt.Errorf("run %s: %w: %s", command[0], err, complaint.String())
	}
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return nil, cost{}, errors.New("the system does not tell what a process used")
	}
	return out.Bytes(), cost{took, usage.Maxrss}, nil
}

// compare tells what each finds of what is at fault.
func (o options) compare(ctx context.Context, w *world, ours, theirs []string) error {
	data, _, err := output(ctx, ours)
	if err != nil {
		return err
	}
	mine, lineless, err := inquestRisks(data)
	if err != nil {
		return err
	}
	data, _, err = output(ctx, theirs)
	if err != nil {
		return err
	}
	peers, err := scoreRisks(data)
	if err != nil {
		return err
	}
	fmt.Printf("found   %s of %d true restart risks, %s by kube-score, in %d manifests\n", hits(w, mine), len(w.truth), hits(w, peers), w.objects)
	for r := range mine {
		if !w.truth[r] {
			fmt.Printf("        none: %s of %s\n", r.name, r.object)
		}
	}
	fmt.Printf("lines   %d findings without a line\n", lineless)
	for _, name := range slices.Sorted(maps.Keys(names(w.truth))) {
		fmt.Printf("        %-24s %3d there, %3d and %3d found\n", name, names(w.truth)[name], names(common(w.truth, mine))[name], names(common(w.truth, peers))[name])
	}
	return nil
}

func hits(w *world, found map[risk]bool) string {
	hit := len(common(w.truth, found))
	return fmt.Sprintf("%d (and %d that are none)", hit, len(found)-hit)
}

func common(a, b map[risk]bool) map[risk]bool {
	both := map[risk]bool{}
	for r := range a {
		if b[r] {
			both[r] = true
		}
	}
	return both
}

func names(risks map[risk]bool) map[string]int {
	count := map[string]int{}
	for r := range risks {
		count[r.name]++
	}
	return count
}

// speed runs both in turn.
func (o options) speed(ctx context.Context, manifests int, ours, theirs []string) error {
	var mine, peers []time.Duration
	for range o.rounds {
		_, c, err := output(ctx, ours)
		if err != nil {
			return err
		}
		mine = append(mine, c.wall)
		if _, c, err = output(ctx, theirs); err != nil {
			return err
		}
		peers = append(peers, c.wall)
	}
	slices.Sort(mine)
	slices.Sort(peers)
	a, b := mine[len(mine)/2], peers[len(peers)/2]
	fmt.Printf("speed   %.1f times kube-score's: %.0f manifests a second to %.0f (%s to %s, medians of %d)\n",
		float64(b)/float64(a), float64(manifests)/a.Seconds(), float64(manifests)/b.Seconds(), a.Round(time.Millisecond), b.Round(time.Millisecond), o.rounds)
	return nil
}

func (o options) memory(ctx context.Context, dir string) error {
	fmt.Print("memory ")
	for _, n := range []int{1000, 10_000, 20_000} {
		set, w, err := o.set(dir, n)
		if err != nil {
			return err
		}
		_, c, err := output(ctx, []string{o.inquest, "scan", set, "-o", "github"})
		if err != nil {
			return err
		}
		fmt.Printf(" %d MiB for %d", c.peak/1024, w.objects)
	}
	fmt.Println()
	return nil
}

// ourRules are the rules of inquest scan that are restart risks, by what the world calls them.
var ourRules = map[string]string{
	"RES101": "memory limit", "RES102": "memory request", "RES103": "CPU request", "PRB101": "readiness", "PRB102": "same probes", "PRB103": "startup",
	"PRB104": "probe port", "IMG101": "tag", "MEM101": "heap", "CFG102": "variable twice", "SET103": "configuration", "STP101": "hook", "WRK101": "selector",
	"SET101": "selects nothing", "SET102": "service port", "SET108": "no target", "SCL101": "no room", "SET110": "replicas contested",
	"SET111": "budget matches nothing", "SET112": "budget blocks", "SET113": "no budget", "SET114": "names",
}

func inquestRisks(data []byte) (found map[risk]bool, lineless int, err error) {
	var doc struct {
		Findings []struct {
			Rule, Kind, Name string
			Line             int
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, 0, fmt.Errorf("read the answer of inquest: %w", err)
	}
	found = map[risk]bool{}
	for _, f := range doc.Findings {
		if f.Line < 1 {
			lineless++
		}
		if name := ourRules[f.Rule]; name != "" {
			found[riskOf(f.Kind, f.Name, name)] = true
		}
	}
	return found, lineless, nil
}

func riskOf(kind, object, name string) risk {
	if name == "no budget" {
		kind = "workload"
	}
	return risk{kind + "/" + object, name}
}

// theirChecks are the checks of kube-score that are restart risks; of those with several, the summary of the comment tells.
var theirChecks = map[string]string{
	"container-resources/Memory limit is not set": "memory limit", "container-resources/Memory request is not set": "memory request",
	"container-resources/CPU request is not set": "CPU request", "pod-probes/Container is missing a readinessProbe": "readiness",
	"pod-probes-identical/": "same probes", "container-image-tag/": "tag", "environment-variable-key-duplication/": "variable twice",
	"deployment-pod-selector-labels-match-template-metadata-labels/": "selector", "statefulset-pod-selector-labels-match-template-metadata-labels/": "selector",
	"service-targets-pod/": "selects nothing", "horizontalpodautoscaler-has-target/": "no target", "horizontalpodautoscaler-replicas/": "no room",
	"deployment-targeted-by-hpa-does-not-have-replicas-configured/": "replicas contested", "poddisruptionbudget-has-policy/": "budget blocks",
	"deployment-has-poddisruptionbudget/": "no budget", "statefulset-has-poddisruptionbudget/": "no budget", "statefulset-has-servicename/": "names",
	"container-ports-check/": "service port",
}

func scoreRisks(data []byte) (map[risk]bool, error) {
	var objects []struct {
		TypeMeta   struct{ Kind string } `json:"type_meta"`
		ObjectMeta struct{ Name string } `json:"object_meta"`
		Checks     []struct {
			Check    struct{ ID string }
			Grade    int
			Skipped  bool
			Comments []struct{ Summary string }
		}
	}
	if err := json.Unmarshal(data, &objects); err != nil {
		return nil, fmt.Errorf("read the answer of kube-score: %w", err)
	}
	found := map[risk]bool{}
	for _, o := range objects {
		for _, c := range o.Checks {
			if c.Skipped || c.Grade >= 7 { // 10 is well, 7 almost, 5 a warning, 1 critical
				continue
			}
			for _, comment := range c.Comments {
				if name := theirRisk(c.Check.ID + "/" + comment.Summary); name != "" {
					found[riskOf(o.TypeMeta.Kind, o.ObjectMeta.Name, name)] = true
				}
			}
		}
	}
	return found, nil
}

func theirRisk(comment string) string {
	for key, name := range theirChecks {
		if strings.HasPrefix(comment, key) {
			return name
		}
	}
	return ""
}
