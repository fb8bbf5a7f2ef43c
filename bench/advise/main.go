// SPDX-License-Identifier: Apache-2.0

// Command advise measures advice against its bars, on starts that were recorded, and on starts and usage that come from seeds:
//
//	recorded   of each workload that was recorded, how many of the healthy starts of one half the probes proposed after the other
//	           half end at some tick of the kubelet, and how much longer they take to notice a hang at the most (bar: none, and twice)
//	probes     of each program, how many of its healthy starts the present probes end at some tick of the kubelet and how many
//	           the proposed ones do, and how much longer these take to notice a hang at the most (bar: none, and twice)
//	resources  of each sort of usage, whether the limit that the first week proposes is reached in the second, and by how much it
//	           is above what is used there, against the peak and 15 % (bar: never, and no more on average)
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/kubeinquest/inquest/bench/advise/profile"
	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/advise/resource"
)

const seeds = 20 // of each

func main() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	err := recorded(w)
	fmt.Fprintln(w)
	probes(w)
	fmt.Fprintln(w)
	resources(w)
	if err := errors.Join(err, w.Flush()); err != nil {
		fmt.Fprintf(os.Stderr, "advise: %v\n", err)
		os.Exit(1)
	}
}

// recorded judges both halves of each recording: what is wrong is an attempt that is ended, or a hang noticed late.
func recorded(w io.Writer) error {
	all, err := profile.Recordings()
	fmt.Fprintln(w, "recorded\tattempts\tcut off\theld out, healthy\twrong\tmay take now\tthen\thang noticed at most x")
	faults := 0
	for _, r := range all {
		starts, truth := r.Halves()
		var healthy, cut, wrong int
		var slowest float64
		var a probe.Advice
		for half := range starts {
			a = profile.Advise(r.Present(), starts[half])
			f, slow := profile.Faults(&a, starts[1-half], truth[1-half])
			healthy, cut, wrong, slowest = healthy+a.Tally.Healthy, cut+a.Tally.Cut, wrong+len(f), max(slowest, slow)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%.2f\n", r.Name, len(r.Attempts), cut, healthy, wrong, advise.Round(a.Before.Patience), advise.Round(a.After.Patience), slowest)
		faults += wrong
	}
	fmt.Fprintf(w, "wrong in all\t%d\n", faults)
	return err
}

func probes(w io.Writer) {
	fmt.Fprintln(w, "program\tstarts\tended now\tended then\tmay take now\tthen\thang noticed at most x")
	faults := 0
	for i, p := range profile.Programs() {
		var starts, now, then, wrong int
		var slowest float64
		var last [2]string
		for seed := range uint64(seeds) {
			recorded, truth := p.Record(uint64(i)<<16 | seed)
			a := profile.Advise(p.Present, recorded)
			f, slow := profile.Faults(&a, recorded, truth)
			wrong, slowest = wrong+len(f), max(slowest, slow)
			starts, now, then = starts+a.Tally.Healthy, now+a.Before.Ends, then+a.After.Ends
			last = [2]string{advise.Round(a.Before.Patience), advise.Round(a.After.Patience)}
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%.2f\n", p.Name, starts, now, then, last[0], last[1], slowest)
		faults += wrong
	}
	fmt.Fprintf(w, "wrong in all\t%d\n", faults)
}

func resources(w io.Writer) {
	fmt.Fprintln(w, "usage\ttaken for\treached in the second week\tslack\tpeak and 15%")
	var ours, simple, n float64
	for i, m := range profile.Memories() {
		reached := 0
		var s, k float64
		var shape resource.Shape
		for seed := range uint64(seeds) {
			first, second := profile.Halves(m.Weeks(uint64(i)<<16 | seed))
			a := m.Sized(first, 4*profile.High(first))
			shape = a.Memory
			if a.Memory == resource.Leak {
				continue
			}
			if a.Proposed.LimitMemory <= profile.High(second) {
				reached++
			}
			s, k, n = s+profile.Slack(a.Proposed.LimitMemory, second), k+profile.Slack(1.15*profile.High(first), second), n+1
		}
		ours, simple = ours+s, simple+k
		fmt.Fprintf(w, "%s\t%s\t%d of %d\t%.3f\t%.3f\n", m.Name, shape, reached, seeds, s/seeds, k/seeds)
	}
	fmt.Fprintf(w, "mean\t\t\t%.3f\t%.3f\n", ours/n, simple/n)
}
