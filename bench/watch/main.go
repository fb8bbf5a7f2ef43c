// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Watch measures the recorder against its bars, over an etcd and a kube-apiserver of its own on loopback ports: how soon a
// verdict is in the history, beside how soon a bare client hears of the change; what a pod costs in memory and an update in
// processor time, for the recorder and for the API server; and whether a death is lost, against a ledger of this program's own
// watch, under load, in a burst of failures and in a storm of Events. There are no kubelets: this program writes the statuses
// and renews the leases that they would. Without -only it does all, which takes an hour.
//
//	go run ./bench/watch -only detect
//	go run ./bench/watch -only load -minutes 30
//
// Processor time is right on a machine that has other work, if too high; beside a latency stands the load of the machine.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type bench struct {
	hyperkube, inquest string
	only               string
	dir                string
	nodes, pods        int
	rate, deaths       float64
	minutes            float64
	keep               string
	plane              *plane
	cage               *cage    // that the recorder runs in; may be nil
	broken             []string // bars
}

func main() {
	b := &bench{}
	flag.StringVar(&b.hyperkube, "hyperkube", "", "the program that is etcd and kube-apiserver; default is that of the lab")
	flag.StringVar(&b.inquest, "inquest", "", "the program to measure; default is built from this source")
	flag.StringVar(&b.only, "only", "", "some of detect,memory,load,burst,events; empty: all")
	flag.StringVar(&b.dir, "dir", "", "where a folder is made; default is that of temporary files")
	flag.IntVar(&b.nodes, "nodes", 1000, "how many nodes")
	flag.IntVar(&b.pods, "pods", 10_000, "how many pods, and a third of the most for memory")
	flag.Float64Var(&b.rate, "rate", 200, "updates of pods in a second, under load")
	flag.Float64Var(&b.deaths, "deaths", 5, "how many of them tell of a death")
	flag.Float64Var(&b.minutes, "minutes", 30, "how long the load lasts")
	flag.StringVar(&b.keep, "keep", "", "a folder to keep the log of the recorder in")
	bare := flag.String("bare", "", "watch pods as whoever a kubeconfig says, and do nothing with them: what the recorder is compared with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := b.run
	if *bare != "" {
		run = func(ctx context.Context) error { return bareWatch(ctx, *bare) }
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp(b.dir, "inquest-watch"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.build(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"detect", b.detect}, {"memory", b.memory}, {"load", b.load}, {"burst", b.burst}, {"events", b.events}} {
		if ctx.Err() != nil || b.only != "" && !strings.Contains(","+b.only+",", ","+part.name+",") {
			continue
		}
		fmt.Printf("%s, load average %s\n", part.name, loadAverage())
		if failed := b.over(ctx, part.run); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", part.name, failed))
		}
	}
	if len(b.broken) > 0 {
		err = errors.Join(err, fmt.Errorf("bars missed: %s", strings.Join(b.broken, "; ")))
	}
	return err
}

// over does a part over a control plane of its own.
func (b *bench) over(ctx context.Context, part func(context.Context) error) (err error) {
	if b.plane, err = b.startPlane(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.plane.stop()) }()
	return part(ctx)
}

// build finds or makes the programs.
func (b *bench) build(ctx context.Context) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	b.hyperkube = cmp.Or(b.hyperkube, filepath.Join(cache, "inquest-lab", "cache", "bin", "hyperkube"))
	if _, err := os.Stat(b.hyperkube); err != nil {
		return fmt.Errorf("find etcd and kube-apiserver: %w; make lab-up builds them, or name the program with -hyperkube", err)
	}
	if b.inquest != "" {
		return nil
	}
	b.inquest = filepath.Join(b.dir, "inquest")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.inquest, "github.com/kubeinquest/inquest/cmd/inquest").CombinedOutput(); err != nil {
		return fmt.Errorf("build inquest: %w: %s", err, out)
	}
	return nil
}

// bar prints a figure beside what it may be.
func (b *bench) bar(what string, is, most float64, unit string) {
	verdict := "held"
	if math.IsNaN(is) || is > most {
		verdict = "MISSED"
		b.broken = append(b.broken, what)
	}
	fmt.Printf("  %-58s %10.3f %s, at most %g: %s\n", what, is, unit, most, verdict)
}

// note prints a figure that has no bar.
func (b *bench) note(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// loadAverage is that of the machine over the last minute.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(data), " ")
	return first
}
