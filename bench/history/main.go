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
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	bundles   bool
	logs      bool
	from      string
}

func run() (err error) {
	var o options
	flag.StringVar(&o.url, "history", "", "file or postgres:// address that is filled, and read again when it holds enough; a temporary file without it")
	flag.IntVar(&o.incidents, "incidents", 1_000_000, "how many incidents")
	flag.IntVar(&o.queries, "queries", 300, "how many queries of each sort")
	flag.BoolVar(&o.bundles, "bundles", true, "keep bundles beside reports; what is listed and searched does not depend on them")
	flag.BoolVar(&o.logs, "logs", true, "keep the logs too; without them, what a death takes is what it takes beyond logs")
	flag.StringVar(&o.from, "from", "bench/accuracy/recorded/*.txtar,examples/*", "the recorded incidents that deaths are made of, patterns with commas between")
	flag.Parse()
	o.queries = max(o.queries, 1)
	if o.url == "" {
		folder, err := os.MkdirTemp("", "inquest-history")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		o.url = filepath.Join(folder, "history.db")
	}
	ctx := context.Background()
	all, err := templates(ctx, strings.Split(o.from, ",")...)
	if err != nil {
		return err
	}
	s, err := history.Open(ctx, o.url, history.Options{})
	if err != nil {
		return err
	}
	if err := fill(ctx, s, newWorld(all, o.bundles, o.logs), o); err != nil {
		return errors.Join(err, s.Close())
	}
	began := time.Now()
	if err := s.Tidy(ctx); err != nil { // as the recorder does each day
		return errors.Join(err, s.Close())
	}
	fmt.Printf("the index was put in order in %.0f s\n", time.Since(began).Seconds())
	return errors.Join(ask(ctx, s, newWorld(all, o.bundles, o.logs), o), s.Close())
}

// what says what the bytes of a death are for.
func (o options) what() string {
	switch {
	case !o.bundles:
		return "without a bundle"
	case !o.logs:
		return "none of them its log"
	}
	return "its log included"
}

// fill records deaths by the thousand, and says what they cost.
func fill(ctx context.Context, s *history.Store, w *world, o options) error {
	has, err := s.Count(ctx, history.Filter{})
	if err != nil || has.Recorded > 0 {
		return err
	}
	began, cpu := time.Now(), cpuTime()
	for w.incidents < o.incidents {
		for _, wave := range w.some(2000, o.incidents) {
			if err := s.Record(ctx, wave...); err != nil {
				return err
			}
		}
		if w.incidents%50_000 == 0 {
			fmt.Fprintf(os.Stderr, "\r%d incidents, %d deaths, %.0f s", w.incidents, w.deaths, time.Since(began).Seconds())
		}
	}
	for n := range storms {
		if err := s.Record(ctx, w.storm(n)...); err != nil {
			return err
		}
	}
	if err := s.Sweep(ctx, w.start.Add(w.span)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	size, err := s.Size(ctx)
	if err != nil {
		return err
	}
	n := float64(w.deaths)
	fmt.Printf("%d incidents, %d deaths written in %.0f s, %.0f µs of processor time for each death\n", w.incidents, w.deaths,
		time.Since(began).Seconds(), float64((cpuTime()-cpu).Microseconds())/n)
	fmt.Printf("%.0f bytes for each death, %s\n", float64(size)/n, o.what())
	return nil
}

// ask measures every sort of question.
func ask(ctx context.Context, s *history.Store, w *world, o options) error {
	for _, q := range questions(w) {
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
	some := func(n int) []string {
		var all []string
		for range n {
			all = append(all, w.namespace(rand.IntN(apps)))
		}
		return all
	}
	rules := w.rules()
	return append([]question{
		{"list", func() history.Filter { return history.Filter{} }},
		{"list, from anywhere", func() history.Filter {
			return history.Filter{To: w.start.Add(time.Duration(rand.Int64N(int64(w.span))))}
		}},
		{"list, open", func() history.Filter { return history.Filter{States: []history.State{history.StateOpen}} }},
		{"list, one namespace", func() history.Filter { return history.Filter{Namespaces: some(1)} }},
		{"list, fifty namespaces", func() history.Filter { return history.Filter{Namespaces: some(50)} }},
		{"list, one rule", func() history.Filter { return history.Filter{Rule: rules[rand.IntN(len(rules))]} }},
		{"search, a frequent word", func() history.Filter { return history.Filter{Text: word() + " "} }},
		{"search, two frequent words", func() history.Filter { return history.Filter{Text: word() + " " + word()} }},
		{"search, a pod", func() history.Filter { return history.Filter{Text: w.some(1, math.MaxInt)[0][0].Of.Name} }},
		{"search, the beginning of a frequent word", func() history.Filter { return history.Filter{Text: word()} }},
		{"search, three letters", func() history.Filter { return history.Filter{Text: word()[:3]} }},
		{"search, a word, fifty namespaces", func() history.Filter { return history.Filter{Text: word(), Namespaces: some(50)} }},
		{"search, a word, open", func() history.Filter {
			return history.Filter{Text: word(), States: []history.State{history.StateOpen}}
		}},
		{"search, nothing is found", func() history.Filter { return history.Filter{Text: "memory zebra"} }},
	}, ofPods(w)...)
}

// ofPods asks for pods by name, for images, and for times, with all rights and with those in five namespaces.
func ofPods(w *world) []question {
	var all []question
	for _, few := range []bool{false, true} {
		name := map[bool]string{true: ", five namespaces"}[few]
		may := func(own int) []string {
			if !few {
				return nil
			}
			spaces := []string{w.namespace(own)}
			for range 4 {
				spaces = append(spaces, w.namespace(rand.IntN(apps)))
			}
			return spaces
		}
		storm := func(cut int) history.Filter {
			app := rand.IntN(storms)
			pod := fmt.Sprintf("%s-7c9f4d-%05d", w.app(app), rand.IntN(stormPods))
			return history.Filter{Text: pod[:len(pod)-cut], Namespaces: may(app)}
		}
		all = append(all,
			question{"search, a pod of a thousand" + name, func() history.Filter { return storm(0) }},
			question{"search, the beginning of a hundred of those" + name, func() history.Filter { return storm(2) }},
			question{"search, the beginning of many workloads" + name, func() history.Filter {
				return history.Filter{Text: "web-", Namespaces: may(rand.IntN(apps))}
			}},
			question{"list, one image" + name, func() history.Filter {
				app := rand.IntN(apps)
				return history.Filter{Image: fmt.Sprintf("registry.example.com/%s/%s:1.%d", w.namespace(app), w.app(app), app%30), Namespaces: may(app)}
			}},
			question{"search, a word, within a day" + name, func() history.Filter {
				from := w.start.Add(time.Duration(rand.Int64N(int64(w.span))))
				return history.Filter{Text: "memory ", From: from, To: from.Add(24 * time.Hour), Namespaces: may(rand.IntN(apps))}
			}},
			question{"list, one node" + name, func() history.Filter {
				return history.Filter{Node: w.node(rand.IntN(nodes)), Namespaces: may(rand.IntN(apps))}
			}},
		)
	}
	return all
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
