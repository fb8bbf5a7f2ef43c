// SPDX-License-Identifier: Apache-2.0

// Command accuracy measures how often a diagnosis is right: over recordings of every fault that the lab makes, with the
// whole rule set, beside a naive table of reasons. A recording is a bundle named after its fault, whose expected causes
// it takes.
//
//	top-1       the share of faults whose first cause is the right rule
//	top-3       the share whose right rule is among the first three
//	grounded    the share of cited facts that are found again in the evidence
//	false       the share of benign recordings that are given a cause or called undetermined
//
// It also tells ends for want of memory, and what looks like them, by their classes: precision and recall of each, over the
// recordings, the fixtures of rules, and the samples in bench/accuracy/oom, which are made by hand after the wordings of
// several kernels.
//
// The recordings are made with: lab record-all bench/accuracy/recorded
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
)

func main() {
	verbose := flag.Bool("v", false, "a line for each recording")
	flag.Parse()
	folder := "bench/accuracy/recorded"
	if flag.NArg() > 0 {
		folder = flag.Arg(0)
	}
	trials, err := measure(folder)
	if err != nil {
		fmt.Fprintf(os.Stderr, "accuracy: %v\n", err)
		os.Exit(1)
	}
	for _, t := range trials {
		if *verbose || t.wrong() {
			fmt.Println(t)
		}
	}
	show(trials)
	m, err := confuse(".")
	if err != nil {
		fmt.Fprintf(os.Stderr, "accuracy: %v\n", err)
		os.Exit(1)
	}
	m.show()
}

// show prints the figures of all trials, and of the groups that look alike to a table of reasons.
func show(trials []trial) {
	s := sum(trials)
	fmt.Printf("faults %d, benign %d\n", s.faults, s.benign)
	fmt.Printf("           inquest  table of reasons\n")
	fmt.Printf("top-1      %5.1f %%  %5.1f %%\n", percent(s.first, s.faults), percent(s.naive, s.faults))
	fmt.Printf("top-3      %5.1f %%\n", percent(s.three, s.faults))
	fmt.Printf("grounded   %5.1f %%  of %d facts\n", percent(s.grounded, s.facts), s.facts)
	fmt.Printf("false      %5.1f %%  %5.1f %%\n", percent(s.alarms, s.benign), percent(s.naiveAlarms, s.benign))
	groups := map[string][]trial{}
	for _, t := range trials {
		groups[t.looks] = append(groups[t.looks], t)
	}
	fmt.Println("what looks alike: right of all, and what the first causes are")
	for _, looks := range slices.Sorted(maps.Keys(groups)) {
		g := sum(groups[looks])
		said := map[string]int{}
		for _, t := range groups[looks] {
			said[t.said()]++
		}
		fmt.Printf("  %-28s %d/%d  %v\n", looks, g.first+g.benign-g.alarms, g.faults+g.benign, said)
	}
}

func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
