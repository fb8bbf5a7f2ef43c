// SPDX-License-Identifier: Apache-2.0

// Command bench measures inquest against what it replaces, on the cluster that KUBECONFIG names (meant for the lab).
// It prints ratios, because times say more about the machine than about the program:
//
//	why      wall time of inquest why pod/x to kubectl describe pod plus kubectl logs --previous
//	rss      peak memory of inquest why pod/x, in MiB
//	scan     wall time of inquest why -A --no-logs to one protobuf list of each kind that it lists, in a cluster with
//	         1,000 fake pods of which 50 are broken
//
// The programs run in turn (A-B-A-B), and the median of each counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// options are the flags of the benchmark.
type options struct {
	inquest, kubectl string
	rounds           int
	pods, broken     int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.inquest, "inquest", "bin/inquest", "the program under test")
	flag.StringVar(&o.kubectl, "kubectl", "kubectl", "the program to compare with")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each is run")
	flag.IntVar(&o.pods, "pods", 1000, "fake pods for the scan")
	flag.IntVar(&o.broken, "broken", 50, "how many of them are broken")
	flag.Parse()
	if err := o.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 500, 1000
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	f := &fakes{client: client, options: o}
	defer f.remove(context.WithoutCancel(ctx))
	if err := f.make(ctx); err != nil {
		return err
	}
	if err := o.one(ctx, f); err != nil {
		return err
	}
	return o.scan(ctx, client)
}

// one compares the diagnosis of one pod with what a person would run.
func (o options) one(ctx context.Context, f *fakes) error {
	pod, err := f.crashing(ctx)
	if err != nil {
		return err
	}
	why := command{o.inquest, "why", "pod/" + pod, "-n", namespace}
	describe := command{o.kubectl, "describe", "pod", pod, "-n", namespace}
	logs := command{o.kubectl, "logs", pod, "-n", namespace, "--previous"}
	var ours, theirs []time.Duration
	peak := int64(0)
	for range o.rounds {
		t, rss, err := why.time(ctx)
		if err != nil {
			return err
		}
		ours, peak = append(ours, t), max(peak, rss)
		both := time.Duration(0)
		for _, c := range []command{describe, logs} {
			t, _, err := c.time(ctx)
			if err != nil {
				return err
			}
			both += t
		}
		theirs = append(theirs, both)
	}
	fmt.Printf("why   %.2f of kubectl describe plus logs --previous (%s to %s)\n", ratio(ours, theirs), median(ours), median(theirs))
	fmt.Printf("rss   %d MiB\n", peak/1024)
	return nil
}

// scan compares a look at everything with the least that it must read.
func (o options) scan(ctx context.Context, client kubernetes.Interface) error {
	all := command{o.inquest, "why", "-A", "--no-logs", "-o", "json"}
	var ours, floor []time.Duration
	for range o.rounds {
		t, _, err := all.time(ctx)
		if err != nil {
			return err
		}
		ours = append(ours, t)
		start := time.Now()
		if err := list(ctx, client); err != nil {
			return err
		}
		floor = append(floor, time.Since(start))
	}
	fmt.Printf("scan  %.2f of one protobuf list of the same kinds (%s to %s), %d pods of which %d are broken\n",
		ratio(ours, floor), median(ours), median(floor), o.pods, o.broken)
	return nil
}

// list reads everything of the kinds that a scan lists, each in one list.
func list(ctx context.Context, client kubernetes.Interface) error {
	opts := metav1.ListOptions{}
	for kind, read := range map[string]func() error{
		"pods":         func() error { _, err := client.CoreV1().Pods("").List(ctx, opts); return err },
		"nodes":        func() error { _, err := client.CoreV1().Nodes().List(ctx, opts); return err },
		"events":       func() error { _, err := client.CoreV1().Events("").List(ctx, opts); return err },
		"leases":       func() error { _, err := client.CoordinationV1().Leases("kube-node-lease").List(ctx, opts); return err },
		"deployments":  func() error { _, err := client.AppsV1().Deployments("").List(ctx, opts); return err },
		"statefulsets": func() error { _, err := client.AppsV1().StatefulSets("").List(ctx, opts); return err },
		"daemonsets":   func() error { _, err := client.AppsV1().DaemonSets("").List(ctx, opts); return err },
	} {
		if err := read(); err != nil {
			return fmt.Errorf("list %s: %w", kind, err)
		}
	}
	return nil
}

// A command is a program with its arguments.
type command []string

// time runs the command and returns its wall time and its peak memory in KiB.
func (c command) time(ctx context.Context) (time.Duration, int64, error) {
	cmd := exec.CommandContext(ctx, c[0], c[1:]...)
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("run %q: %w", c, err)
	}
	wall := time.Since(start)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return wall, 0, nil
	}
	return wall, usage.Maxrss, nil
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2].Round(time.Millisecond)
}

func ratio(a, b []time.Duration) float64 { return float64(median(a)) / float64(median(b)) }
