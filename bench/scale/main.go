// SPDX-License-Identifier: Apache-2.0

// Command scale measures what rules and ranking cost, without any collecting: CPU time and allocations for the snapshot
// of one pod, and for snapshots of a thousand and ten thousand troubled pods, made of copies of recorded incidents. It
// prints how the time grows from a thousand to ten thousand, which is 10 where it is linear. Of several rounds the best
// counts: what else the machine does can only add to it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/rules"
)

func main() {
	pattern := flag.String("from", "bench/accuracy/recorded/*.txtar", "the recordings to copy")
	profile := flag.String("profile", "", "write a CPU profile of the ten thousand to this file")
	flag.Parse()
	if err := run(*pattern, *profile); err != nil {
		fmt.Fprintf(os.Stderr, "scale: %v\n", err)
		os.Exit(1)
	}
}

// An incident is a recording by its name.
type incident struct {
	name string
	s    *evidence.Snapshot
}

func run(pattern, profile string) error {
	incidents, err := read(pattern)
	if err != nil {
		return err
	}
	name, worst := dearest(incidents)
	fmt.Printf("one pod's snapshot   %s: at most, of %d, that of %s\n", worst, len(incidents), name)
	thousand := best(copies(incidents, 1000), 3)
	fmt.Printf("1,000 troubled pods  %s\n", thousand)
	all := copies(incidents, 10_000)
	tenThousand := best(all, 2)
	fmt.Printf("10,000               %s, %.1f times that of 1,000\n", tenThousand, float64(tenThousand.cpu)/float64(thousand.cpu))
	if profile == "" {
		return nil
	}
	f, err := os.Create(profile)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	measure(all)
	return nil
}

func read(pattern string) ([]incident, error) {
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("there is no recording at %s: %w", pattern, err)
	}
	var incidents []incident
	for _, name := range names {
		files, err := collect.OpenArchive(name)
		if err != nil {
			return nil, err
		}
		s, err := collect.Bundle{FS: files}.Snapshot(context.Background(), evidence.Selection{})
		if err != nil {
			return nil, err
		}
		incidents = append(incidents, incident{strings.TrimSuffix(filepath.Base(name), ".txtar"), s})
	}
	return incidents, nil
}

// dearest returns the incident that takes longest. Those that do at first are measured again, for longer.
func dearest(incidents []incident) (string, cost) {
	const again, rounds = 12, 10
	first := make([]cost, len(incidents))
	order := make([]int, len(incidents))
	for i := range incidents {
		first[i], order[i] = best(incidents[i].s, 2), i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(first[j].cpu, first[i].cpu) })
	name, worst := "", cost{}
	for _, i := range order[:min(again, len(order))] {
		if c := best(incidents[i].s, rounds); c.cpu > worst.cpu {
			name, worst = incidents[i].name, c
		}
	}
	return name, worst
}

// best measures several times and returns the least.
func best(s *evidence.Snapshot, rounds int) cost {
	least := measure(s)
	for range rounds - 1 {
		if c := measure(s); c.cpu < least.cpu {
			least = c
		}
	}
	return least
}

// A cost is what one diagnosis takes.
type cost struct {
	cpu    time.Duration
	allocs uint64
	bytes  uint64
	causes int
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f ms CPU, %d allocations, %.1f MiB, %d causes", float64(c.cpu.Microseconds())/1000, c.allocs, float64(c.bytes)/(1<<20), c.causes)
}

// measure runs rules and ranking once to warm up, and then for at least a fiftieth of a second.
func measure(s *evidence.Snapshot) cost {
	diagnosis.Examine(s, rules.All())
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, n, causes := cpuTime(), 0, 0
	for ; n == 0 || cpuTime()-start < 20*time.Millisecond; n++ {
		causes = len(diagnosis.Examine(s, rules.All()).Causes)
	}
	used := (cpuTime() - start) / time.Duration(n)
	runtime.ReadMemStats(&after)
	return cost{used, (after.Mallocs - before.Mallocs) / uint64(n), (after.TotalAlloc - before.TotalAlloc) / uint64(n), causes}
}

// cpuTime is what the process has used, in user mode and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot happen: the arguments are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// copies returns a snapshot of at least n pods in trouble: the incidents over and over, in namespaces and
// on nodes of their own.
func copies(incidents []incident, n int) *evidence.Snapshot {
	all := &evidence.Snapshot{}
	for pods, round := 0, 0; pods < n; round++ {
		for _, in := range incidents {
			s, before := in.s, len(all.Objects)
			addCopy(all, s, fmt.Sprintf("-%d", round))
			for _, o := range all.Objects[before:] {
				if pod, ok := o.(*corev1.Pod); ok && evidence.Troubled(pod, s.Taken) {
					all.Asked = append(all.Asked, evidence.RefOf(pod))
					pods++
				}
			}
			if pods >= n {
				break
			}
		}
	}
	return all.Freeze()
}

// addCopy adds the objects, Events, logs and facts of an incident with a suffix on their namespaces and nodes.
func addCopy(all, s *evidence.Snapshot, suffix string) {
	if s.Taken.After(all.Taken) {
		all.Taken = s.Taken
	}
	all.Has |= s.Has
	for _, o := range s.Objects {
		c := o.DeepCopyObject().(evidence.Object)
		rename(c, evidence.RefOf(o).Kind, suffix)
		if pod, ok := c.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			pod.Spec.NodeName += suffix
		}
		all.Objects = append(all.Objects, c)
	}
	for _, e := range s.Events {
		c := e.DeepCopy()
		rename(c, "Event", suffix)
		about := moved(evidence.RefTo(c.InvolvedObject.Kind, c.InvolvedObject.Namespace, c.InvolvedObject.Name), suffix)
		c.InvolvedObject.Namespace, c.InvolvedObject.Name = about.Namespace, about.Name
		c.InvolvedObject.UID += types.UID(suffix)
		all.Events = append(all.Events, c)
	}
	for _, l := range s.Logs {
		l.Of = moved(l.Of, suffix)
		all.Logs = append(all.Logs, l)
	}
	for _, f := range s.Facts {
		f.About = moved(f.About, suffix)
		all.Facts = append(all.Facts, f)
	}
	for _, ref := range s.Absent {
		all.Absent = append(all.Absent, moved(ref, suffix))
	}
	for _, g := range s.Gaps {
		g.About = moved(g.About, suffix)
		all.Gaps = append(all.Gaps, g)
	}
}

func rename(o metav1.Object, kind, suffix string) {
	to := moved(evidence.RefTo(kind, o.GetNamespace(), o.GetName()), suffix)
	o.SetNamespace(to.Namespace)
	o.SetName(to.Name)
	o.SetUID(o.GetUID() + types.UID(suffix))
}

// moved is the thing's name in a copy.
func moved(ref evidence.Ref, suffix string) evidence.Ref {
	switch {
	case ref.Kind == "Node" || ref.Kind == "Lease":
		ref.Name += suffix
	case ref.Namespace != "":
		ref.Namespace += suffix
	}
	return ref
}
