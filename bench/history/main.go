// SPDX-License-Identifier: Apache-2.0

// Command history measures the history of the recorder: it fills one with incidents through the same calls that the
// recorder uses, and prints what a death costs and how long lists and searches take. Times are those of the clock and,
// because the machine may be busy with other things, those of the processor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	url       string
	incidents int
	queries   int
	lean      bool
}

func run() (err error) {
	var o options
	flag.StringVar(&o.url, "history", "", "file or postgres:// address that is filled, and read again when it holds enough; a temporary file without it")
	flag.IntVar(&o.incidents, "incidents", 1_000_000, "how many incidents")
	flag.IntVar(&o.queries, "queries", 300, "how many queries of each sort")
	flag.BoolVar(&o.lean, "lean", false, "deaths with reports and without bundles")
	flag.Parse()
	if o.url == "" {
		folder, err := os.MkdirTemp("", "inquest-history")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		o.url = filepath.Join(folder, "history.db")
	}
	ctx := context.Background()
	s, err := history.Open(ctx, o.url, history.Options{})
	if err != nil {
		return err
	}
	if err := fill(ctx, s, o); err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(ask(ctx, s, o), s.Close())
}

// fill records deaths by the thousand, and says what they cost.
func fill(ctx context.Context, s *history.Store, o options) error {
	has, err := s.Count(ctx, history.Filter{})
	if err != nil || has.Recorded > 0 {
		return err
	}
	w := newWorld(o.lean)
	began, cpu := time.Now(), cpuTime()
	for w.incidents < o.incidents {
		if err := s.Record(ctx, w.some(1000, o.incidents)...); err != nil {
			return err
		}
		if w.incidents%50_000 < 500 {
			fmt.Fprintf(os.Stderr, "\r%d incidents, %d deaths, %.0f s", w.incidents, w.deaths, time.Since(began).Seconds())
		}
	}
	if err := s.Sweep(ctx, w.now); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	size, err := s.Size(ctx)
	if err != nil {
		return err
	}
	logs, err := w.logBytes()
	if err != nil {
		return err
	}
	n := float64(w.deaths)
	fmt.Printf("%d incidents, %d deaths written in %.0f s, %.0f µs of processor time for each death\n", w.incidents, w.deaths,
		time.Since(began).Seconds(), float64((cpuTime()-cpu).Microseconds())/n)
	fmt.Printf("%.0f bytes for each death, %.0f of them its log: %.0f beyond logs\n", float64(size)/n, logs, float64(size)/n-logs)
	return nil
}

// ask measures every sort of question.
func ask(ctx context.Context, s *history.Store, o options) error {
	for _, q := range questions(newWorld(o.lean)) {
		var wall, cpu []time.Duration
		found := 0
		for range o.queries {
			f := q.filter()
			began, used := time.Now(), cpuTime()
			page, err := s.Incidents(ctx, f)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			wall, cpu = append(wall, time.Since(began)), append(cpu, cpuTime()-used)
			found += len(page.Items)
		}
		fmt.Printf("%-44s p50 %7.1f ms, p99 %7.1f ms; of the processor p50 %7.1f ms, p99 %7.1f ms; %.1f found\n", q.name,
			ms(at(wall, 50)), ms(at(wall, 99)), ms(at(cpu, 50)), ms(at(cpu, 99)), float64(found)/float64(o.queries))
	}
	return nil
}

type question struct {
	name   string
	filter func() history.Filter
}

func questions(w *world) []question {
	word := func() string { return []string{"memory", "probe", "node", "exit", "back", "web", "pull"}[rand.IntN(7)] }
	namespaces := func(n int) []string {
		var all []string
		for range n {
			all = append(all, w.namespace(rand.IntN(len(w.apps))))
		}
		return all
	}
	return []question{
		{"list", func() history.Filter { return history.Filter{} }},
		{"list, from anywhere", func() history.Filter {
			return history.Filter{To: w.start.Add(time.Duration(rand.Int64N(int64(w.span))))}
		}},
		{"list, open", func() history.Filter { return history.Filter{States: []history.State{history.StateOpen}} }},
		{"list, one namespace", func() history.Filter { return history.Filter{Namespaces: namespaces(1)} }},
		{"list, fifty namespaces", func() history.Filter { return history.Filter{Namespaces: namespaces(50)} }},
		{"list, one node", func() history.Filter { return history.Filter{Node: w.node(rand.IntN(500))} }},
		{"list, one rule", func() history.Filter { return history.Filter{Rule: w.rule(rand.IntN(40))} }},
		{"search, a frequent word", func() history.Filter { return history.Filter{Text: word() + " "} }},
		{"search, two frequent words", func() history.Filter { return history.Filter{Text: word() + " " + word()} }},
		{"search, a pod", func() history.Filter { return history.Filter{Text: w.pod(rand.IntN(len(w.apps)), rand.IntN(100))} }},
		{"search, three letters", func() history.Filter { return history.Filter{Text: word()[:3]} }},
		{"search, a word, fifty namespaces", func() history.Filter { return history.Filter{Text: word(), Namespaces: namespaces(50)} }},
		{"search, a word, open", func() history.Filter {
			return history.Filter{Text: word(), States: []history.State{history.StateOpen}}
		}},
		{"search, nothing is found", func() history.Filter { return history.Filter{Text: "memory zebra"} }},
	}
}

func at(all []time.Duration, percent int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)*percent/100, len(all)-1)]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cpuTime is what this process has used of the processor.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
